export { AdmissionPluginError, enabledPlugins } from "./admission/plugins.ts";
export { type AuditFile, openAuditFile } from "./audit/log.ts";
export { type AuditPolicy, parseAuditPolicy } from "./audit/policy.ts";
export type { ApiServerConfig, ServerConfig, ServerDeps, ServerTimers } from "./config.ts";
export { type ApiServer, createApiServer } from "./server.ts";
export { startApiServer } from "./serve.ts";
export { type EncryptionRule, parseEncryptionConfiguration } from "./encryption/configuration.ts";
