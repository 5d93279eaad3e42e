import { grpcHandler, type GrpcMethod, type StreamHandler } from "../../platform/grpc/mod.ts";
import type { Clock, Disk, Log, Timers } from "../../platform/mod.ts";
import type { ClusterMember, Store } from "../types.ts";
import { clusterService } from "./cluster.ts";
import { electionService } from "./election.ts";
import { Headers } from "./headers.ts";
import { kvService } from "./kv.ts";
import { leaseService } from "./lease.ts";
import { lockService } from "./lock.ts";
import { maintenanceService } from "./maintenance.ts";
import type { Facade, Sha256 } from "./service.ts";
import { snapshotService } from "./snapshot.ts";
import { watchService } from "./watch.ts";

export interface GatewayConfig {
  readonly clusterId: string;
  /** The member this gateway stands before. */
  readonly memberId: string;
  /** Where a member's gateway listens; null: it has none. */
  readonly clientUrl: (member: ClusterMember) => string | null;
  /** Where a snapshot lies while it is sent. */
  readonly scratchDirectory: string;
}

export interface Gateway {
  /** For an HTTP/2 server. */
  readonly handler: StreamHandler;
  close(): void;
}

/**
 * etcd's v3 API over a store: KV, Watch, Lease, Cluster, Maintenance, Lock, Election. It holds no state but its calls', so
 * it may be ended and started at any time. Auth and RangeStream answer UNIMPLEMENTED.
 * @param stores `store` reaches whichever member serves, `own` this gateway's member alone; both stay the caller's
 */
export function createGateway(
  config: GatewayConfig,
  stores: { readonly store: Store; readonly own: Store },
  deps: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly log: Log;
    readonly disk: Pick<Disk, "openScratch">;
    readonly sha256: Sha256;
  },
): Gateway {
  const headers = new Headers({ ...config, own: stores.own, timers: deps.timers, log: deps.log });
  const facade: Facade = {
    ...stores,
    ...deps,
    headers,
    openScratch: () => deps.disk.openScratch(config.scratchDirectory),
  };
  const methods = new Map<string, GrpcMethod>([
    ...kvService(facade),
    ...watchService(facade),
    ...leaseService(facade),
    ...clusterService(facade, config.clientUrl),
    ...maintenanceService(facade),
    ...snapshotService(facade),
    ...lockService(facade),
    ...electionService(facade),
  ]);
  return { handler: grpcHandler(methods, deps), close: () => headers.close() };
}
