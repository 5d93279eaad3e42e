export type { ApiServerConfig, ServerConfig, ServerDeps, ServerTimers } from "./config.ts";
export { type ApiServer, createApiServer } from "./server.ts";
export { startApiServer } from "./serve.ts";
export { EncryptionConfigError, parseEncryptionConfiguration } from "./encryption/configuration.ts";
