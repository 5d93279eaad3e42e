import { parseYaml } from "../api/codec/mod.ts";
import { encodeBase64 } from "../api/base64.ts";
import {
  AdmissionPluginError,
  type AuditPolicy,
  configurationOfFlags,
  enabledPlugins,
  type EncryptionRule,
  type OidcFlags,
  parseAuditPolicy,
  parseAuthenticationConfiguration,
  parseEncryptionConfiguration,
  parseTokenFile,
  parseTokenWebhook,
  type ServerConfig,
} from "../apiserver/mod.ts";
import { CliError, exitCode } from "./errors.ts";
import { layout } from "./home.ts";

/** What `up` was told for its apiservers: files are read once, copied into the cluster's `config/`, and read from there. */
export interface ApiServerRequest {
  /** A fresh AES-GCM key for Secrets. */
  readonly encryptSecrets?: boolean;
  /** An EncryptionConfiguration. */
  readonly encryptionConfigFile?: string;
  /** A Policy of audit.k8s.io/v1. */
  readonly auditPolicyFile?: string;
  /** An AuthenticationConfiguration; the flags say one issuer the classic way. */
  readonly authenticationConfigFile?: string;
  readonly oidc?: Omit<OidcFlags, "ca"> & { readonly caFile?: string };
  /** `token,user,uid,"group,group"` a line. */
  readonly tokenAuthFile?: string;
  /** A kubeconfig whose first cluster answers TokenReviews. */
  readonly tokenWebhookFile?: string;
  /** Names of admission plug-ins. */
  readonly enableAdmissionPlugins?: readonly string[];
  readonly disableAdmissionPlugins?: readonly string[];
}

/** What the spec keeps of it. */
export interface ApiServerOptions {
  readonly encryption?: true;
  readonly audit?: true;
  readonly authentication?: true;
  readonly tokens?: true;
  readonly tokenWebhook?: true;
  readonly admissionPlugins?: { readonly enable: readonly string[]; readonly disable: readonly string[] };
}

export interface ReadOptions {
  readonly options: ApiServerOptions;
  /** Name in `config/` and text. */
  readonly files: ReadonlyMap<string, string>;
}

const files = {
  encryption: "encryption.yaml",
  audit: "audit-policy.yaml",
  authentication: "authentication.yaml",
  tokens: "tokens.csv",
  tokenWebhook: "token-webhook.yaml",
} as const;

/** Reads and checks the files that the flags name. */
export async function readApiServerRequest(request: ApiServerRequest): Promise<ReadOptions> {
  const kept = new Map<string, string>();
  if (request.encryptSecrets === true && request.encryptionConfigFile !== undefined) {
    throw new CliError(exitCode.usage, "--encrypt-secrets and --encryption-provider-config say the same thing twice");
  }
  if (request.encryptSecrets === true) kept.set(files.encryption, freshEncryption());
  if (request.encryptionConfigFile !== undefined) {
    kept.set(files.encryption, await readChecked(request.encryptionConfigFile, parseEncryptionConfiguration));
  }
  if (request.auditPolicyFile !== undefined) {
    kept.set(files.audit, await readChecked(request.auditPolicyFile, parseAuditPolicy));
  }
  await keepAuthentication(request, kept);
  const plugins = admissionPlugins(request);
  return {
    options: {
      ...(plugins === null ? {} : { admissionPlugins: plugins }),
      ...(kept.has(files.encryption) ? { encryption: true } : {}),
      ...(kept.has(files.audit) ? { audit: true } : {}),
      ...(kept.has(files.authentication) ? { authentication: true } : {}),
      ...(kept.has(files.tokens) ? { tokens: true } : {}),
      ...(kept.has(files.tokenWebhook) ? { tokenWebhook: true } : {}),
    },
    files: kept,
  };
}

async function keepAuthentication(request: ApiServerRequest, kept: Map<string, string>): Promise<void> {
  const { authenticationConfigFile, oidc, tokenAuthFile, tokenWebhookFile } = request;
  if (authenticationConfigFile !== undefined && oidc !== undefined) {
    throw new CliError(exitCode.usage, "--authentication-config and the --oidc flags exclude each other");
  }
  if (authenticationConfigFile !== undefined) {
    kept.set(files.authentication, await readChecked(authenticationConfigFile, parseAuthenticationConfiguration));
  }
  if (oidc !== undefined) {
    const { caFile, ...flags } = oidc;
    const ca = caFile === undefined ? {} : { ca: await readText(caFile) };
    const configuration = configurationOfFlags({ ...flags, ...ca });
    checked("--oidc-issuer-url", () => parseAuthenticationConfiguration(configuration));
    kept.set(files.authentication, JSON.stringify(configuration, null, 2) + "\n");
  }
  if (tokenAuthFile !== undefined) {
    const text = await readText(tokenAuthFile);
    checked(tokenAuthFile, () => parseTokenFile(text));
    kept.set(files.tokens, text);
  }
  if (tokenWebhookFile !== undefined) {
    kept.set(files.tokenWebhook, await readChecked(tokenWebhookFile, parseTokenWebhook));
  }
}

function admissionPlugins(
  { enableAdmissionPlugins: enable = [], disableAdmissionPlugins: disable = [] }: ApiServerRequest,
): Required<ApiServerOptions>["admissionPlugins"] | null {
  if (enable.length + disable.length === 0) return null;
  try {
    enabledPlugins({ enable, disable });
  } catch (cause) {
    if (!(cause instanceof AdmissionPluginError)) throw cause;
    throw new CliError(exitCode.usage, cause.message, { cause });
  }
  return { enable, disable };
}

/** The text of `path`, if `check` takes it. */
async function readChecked(path: string, check: (value: unknown) => unknown): Promise<string> {
  const text = await readText(path);
  checked(path, () => check(parseYaml(text).value));
  return text;
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(exitCode.usage, `Cannot read ${path}: ${reason}`, { cause });
  }
}

function checked(what: string, check: () => unknown): void {
  try {
    check();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(exitCode.usage, `Cannot use ${what}: ${reason}`, { cause });
  }
}

function freshEncryption(): string {
  const secret = encodeBase64(crypto.getRandomValues(new Uint8Array(32)));
  return `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aesgcm:
          keys:
            - name: key1
              secret: ${secret}
      # What was written before: read, and encrypted when it is next written.
      - identity: {}
`;
}

/** What an apiserver that starts was told, from the files as they are now. */
export interface LoadedOptions {
  readonly encryption?: EncryptionRule[];
  readonly auditPolicy?: AuditPolicy;
  readonly authentication: Required<ServerConfig>["authentication"];
}

export function loadApiServerOptions(options: ApiServerOptions): LoadedOptions {
  return {
    ...(options.encryption === true ? { encryption: load(files.encryption, parseEncryptionConfiguration) } : {}),
    ...(options.audit === true ? { auditPolicy: load(files.audit, parseAuditPolicy) } : {}),
    authentication: {
      ...(options.authentication === true ? load(files.authentication, parseAuthenticationConfiguration) : {}),
      ...(options.tokens === true
        ? { tokens: parseTokenFile(Deno.readTextFileSync(`${layout.config}/${files.tokens}`)) }
        : {}),
      ...(options.tokenWebhook === true ? { webhook: load(files.tokenWebhook, parseTokenWebhook) } : {}),
    },
  };
}

/** Of one apiserver, in the cluster's directory. */
export function auditLogPath(component: string): string {
  return `${layout.logs}/audit-${component}.log`;
}

function load<T>(file: string, parse: (value: unknown) => T): T {
  const path = `${layout.config}/${file}`;
  try {
    return parse(parseYaml(Deno.readTextFileSync(path)).value);
  } catch (cause) {
    throw new Error(`Cannot use ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
