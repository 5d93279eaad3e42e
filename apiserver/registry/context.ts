import type {
  CallHttps,
  Certificates,
  Clock,
  Histogram,
  Log,
  PostHttps,
  Random,
  Timers,
  UpgradeHttps,
} from "../../platform/mod.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import type { IsEnabled } from "../admission/plugins.ts";
import type { ServiceAccountTokens } from "../authn/service_account_tokens.ts";
import type { TokenAuthenticator } from "../authn/token_authenticator.ts";
import type { User } from "../authn/user.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { Catalog } from "../catalog.ts";
import type { Expressions } from "../cel/expressions.ts";
import type { ServerConfig } from "../config.ts";
import type { FlowControl } from "../flowcontrol/control.ts";
import type { StoreAccess } from "../store_access.ts";
import type { StoreFeed } from "../watchcache/feed.ts";
import type { WatchPacers } from "../watchcache/pacer.ts";
import type { ReadGate } from "../watchcache/read_gate.ts";
import type { Cidr } from "./cidr.ts";
import type { EventLeases } from "./event_leases.ts";
import type { Strategy } from "./strategy.ts";
import type { WatchCounts } from "./watch.ts";

/** What every registry operation works with. */
export interface Registry {
  readonly config: ServerConfig;
  readonly catalog: Catalog;
  readonly store: StoreAccess;
  readonly feed: StoreFeed;
  readonly gate: ReadGate;
  readonly pacers: WatchPacers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly cidr: Cidr;
  readonly eventLeases: EventLeases;
  readonly tokens: ServiceAccountTokens;
  /** Every kind of bearer token. */
  readonly authenticateToken: TokenAuthenticator;
  readonly counts: WatchCounts;
  /** Reaches webhooks; absent: calling one fails. */
  readonly postHttps: PostHttps | undefined;
  /** Reads certificate requests; absent: they are stored unread. */
  readonly certificates: Certificates | undefined;
  /** Reaches extension apiservers; absent: none is available. */
  readonly callHttps: CallHttps | undefined;
  readonly upgradeHttps: UpgradeHttps | undefined;
  /** What policies and match conditions say, parsed. */
  readonly expressions: Expressions;
  readonly webhookSeconds: Histogram;
  /** Which admission plug-ins take part. */
  readonly admits: IsEnabled;
  readonly authorizer: Authorizer;
  readonly flowControl: FlowControl;
  strategy(info: ResourceInfo): Strategy;
}

/** What one write request says beside its object. */
export interface WriteContext {
  readonly user: User;
  readonly dryRun: boolean;
  /** Texts for Warning headers: admission adds to them. */
  readonly warnings: string[];
  /** Notes something for the audit log; absent: the request is not audited. */
  readonly annotate?: (key: string, value: string) => void;
  /** Who is to own the fields that this write sets. Undefined: no one, as for what the server does on its own. */
  readonly manager?: string;
}

/** A written object: its bytes with resourceVersion, for the answer. */
export interface Written {
  readonly code: 200 | 201;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A place among the long-running requests. */
export interface WatchHold {
  /** Idempotent. */
  release(): void;
}
