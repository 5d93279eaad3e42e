import type {
  Address,
  CallHttps,
  Certificates,
  Ciphers,
  Clock,
  HttpClient,
  Log,
  Metrics,
  PostHttps,
  Random,
  Timers,
  TlsIdentity,
  UpgradeHttps,
} from "../platform/mod.ts";
import type { Tracer } from "../platform/tracing/mod.ts";
import type { Store } from "../store/types.ts";
import type { AuditLog } from "./audit/log.ts";
import type { AuditPolicy } from "./audit/policy.ts";
import type { EncryptionRule } from "./encryption/configuration.ts";
import type { DeclarationOf } from "./discovery/descriptions.ts";
import type { Anonymous, JwtIssuer } from "./authn/configuration.ts";
import type { DialHttps } from "./authn/jwt.ts";
import type { StaticToken } from "./authn/static_tokens.ts";
import type { TokenWebhook } from "./authn/webhook.ts";
import type { ServiceAccountKeys } from "./authn/service_account_tokens.ts";

/** Timings, milliseconds unless named otherwise; what is absent is upstream's. */
export interface ServerTimers {
  /** How often idle watches that asked for it get a bookmark. Default 60,000. */
  readonly bookmarkMs?: number;
  /** Changes within this time of a watch's last write leave together. 0: each turn's by themselves. Default `limits`. */
  readonly watchFlushMs?: number;
  /** Watches without timeoutSeconds end after this long, plus up to as much again. Default 1,800,000. */
  readonly watchTimeoutMs?: number;
  /** How often this server says that it lives; after 1.5 of these without, it leaves the `kubernetes` Service. Default 10,000. */
  readonly endpointReconcileMs?: number;
  /** How long /readyz says no before anything else ends (--shutdown-delay-duration). Default 0. */
  readonly shutdownDelayMs?: number;
  /** tolerationSeconds that pods get for a node that is not ready or unreachable; upstream gives 300. Absent: they get none. */
  readonly podTolerationSeconds?: number;
}

/** What the server is told, apart from what it is given to work with. */
export interface ServerConfig {
  /** This apiserver's name, unique in the cluster. */
  readonly name: string;
  readonly serviceAccount: ServiceAccountKeys;
  /** Where ClusterIPs come from, e.g. `10.96.0.0/16`. */
  readonly serviceCidr: string;
  /** Endpoint addresses in 127/8 are valid: on a network that consists of loopback addresses. */
  readonly allowLoopbackEndpoints: boolean;
  /** Where the `kubernetes` Service sends its clients. */
  readonly advertise: { readonly address: string; readonly port: number };
  readonly timers: ServerTimers;
  /** What is encrypted at rest; needs `ciphers`. Absent: nothing is. */
  readonly encryption?: readonly EncryptionRule[];
  /** Who may come how, beside certificates, ServiceAccount and bootstrap tokens. */
  readonly authentication?: {
    readonly jwt?: readonly JwtIssuer[];
    readonly webhook?: TokenWebhook;
    readonly tokens?: readonly StaticToken[];
    readonly anonymous?: Anonymous;
  };
  /** Which admission plug-ins are switched on or off beside the default, by upstream's names. */
  readonly admissionPlugins?: { readonly enable?: readonly string[]; readonly disable?: readonly string[] };
  /** Requests under way at once that only read, resp. may write: together the seats that priority levels share. */
  readonly maxInFlight?: { readonly readOnly: number; readonly mutating: number };
  /** Absent: nothing is audited. Whoever opened the log closes it. */
  readonly audit?: { readonly policy: AuditPolicy; readonly log: AuditLog };
  /**
   * Of a million requests that bring no decision of their own, so many begin a trace (TracingConfiguration's
   * samplingRatePerMillion). Default 0.
   */
  readonly traceSamplingPerMillion?: number;
  /** Who this server is to extension apiservers; absent: none is asked. */
  readonly frontProxy?: FrontProxy;
  /** Where `kubectl explain` gets its descriptions from; absent: there are none. */
  readonly declarationOf?: DeclarationOf;
}

/** What an extension apiserver needs to believe this one, and whom this one believes, PEM. */
export interface FrontProxy {
  /** The client certificate that this server shows; its common name is `front-proxy-client`. */
  readonly cert: string;
  readonly key: string;
  /** Who signed it. */
  readonly ca: string;
  /** Whom of those to believe who asks, by common name; none: all. Default `front-proxy-client`. */
  readonly allowedNames?: readonly string[];
  /** Who signs the cluster's client certificates. */
  readonly clientCa: string;
}

export interface ApiServerConfig extends ServerConfig {
  readonly address: Address;
  /** Serving certificate; `ca` is what client certificates are verified against. */
  readonly tls: TlsIdentity;
  /** Client certificate for kubelets. */
  readonly kubeletClient: TlsIdentity;
}

export interface ServerDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Reaches kubelets; absent: log, exec and attach answer 503. */
  readonly kubelets?: HttpClient;
  /** Reaches pods, for `/proxy`, as nobody in particular; absent: 503. */
  readonly backends?: HttpClient;
  /** Reaches webhooks; absent: calling one fails. */
  readonly postHttps?: PostHttps;
  /** Reaches extension apiservers; absent: none is available. */
  readonly callHttps?: CallHttps;
  /** Asks extension apiservers for other protocols; absent: such requests are refused. */
  readonly upgradeHttps?: UpgradeHttps;
  /** Reads certificate requests; absent: they are stored unread. */
  readonly certificates?: Certificates;
  /** Needed where issuers of tokens are configured. */
  readonly dialHttps?: DialHttps;
  /** Needed where encryption at rest is configured. */
  readonly ciphers?: Ciphers;
  /** Takes requests' spans; absent: nothing is traced. */
  readonly tracer?: Tracer;
}
