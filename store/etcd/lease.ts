import type { GrpcMethod, GrpcStream } from "../../platform/grpc/mod.ts";
import { StoreError } from "../types.ts";
import { etcdError } from "./errors.ts";
import { etcdLimits } from "./limits.ts";
import { etcdCodec } from "./messages.ts";
import { type Facade, streamError, unary } from "./service.ts";

/** etcdserverpb.Lease. */
export function leaseService(facade: Facade): [path: string, method: GrpcMethod][] {
  const { store, headers } = facade;
  const path = (name: string) => `/etcdserverpb.Lease/${name}`;
  return [
    [
      path("LeaseGrant"),
      unary("LeaseGrantRequest", "LeaseGrantResponse", async ({ ID, TTL }) => {
        if (TTL > etcdLimits.leaseTtlSecondsMax) throw etcdError("leaseTtlTooLarge");
        const { id, ttlSeconds } = await store.leaseGrant(TTL, ID);
        return { header: headers.at(), ID: id, TTL: ttlSeconds };
      }),
    ],
    [
      path("LeaseRevoke"),
      unary("LeaseRevokeRequest", "LeaseRevokeResponse", async ({ ID }) => {
        await store.leaseRevoke(ID);
        return { header: headers.at() };
      }),
    ],
    [
      path("LeaseTimeToLive"),
      unary("LeaseTimeToLiveRequest", "LeaseTimeToLiveResponse", async ({ ID, keys }) => {
        const lease = await store.leaseTimeToLive(ID, { keys });
        return {
          header: headers.at(),
          ID,
          TTL: lease.ttlSeconds,
          grantedTTL: lease.grantedTtlSeconds,
          keys: lease.keys,
        };
      }),
    ],
    [
      path("LeaseLeases"),
      unary("LeaseLeasesRequest", "LeaseLeasesResponse", async () => {
        const ids = await store.leases();
        return { header: headers.at(), leases: ids.map((ID) => ({ ID })) };
      }),
    ],
    [path("LeaseKeepAlive"), { kind: "stream", open: (call) => void keepAlive(call, facade) }],
  ];
}

/** One answer for each request, in order. A lease that is gone answers a TTL of 0, which is no error. */
function keepAlive(call: GrpcStream, { store, headers, log }: Facade): void {
  const waiting: bigint[] = [];
  let working = false;
  let ended = false;

  async function work(): Promise<void> {
    working = true;
    try {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        const header = headers.at(); // before the renewal: see etcd's own note on revisions
        const TTL = await store.leaseKeepAlive(id).catch((error) => {
          if (error instanceof StoreError && error.code === "LeaseNotFound") return 0;
          throw error;
        });
        call.send(etcdCodec.encode("LeaseKeepAliveResponse", { header, ID: id, TTL }));
      }
      if (ended) call.end();
    } catch (error) {
      call.end(streamError(error, log));
    }
    working = false;
  }

  call.onMessage = (bytes) => {
    if (waiting.length >= etcdLimits.keepAlivesWaitingMax) return call.end(etcdError("tooManyRequests"));
    waiting.push(etcdCodec.decode("LeaseKeepAliveRequest", bytes).ID);
    if (!working) void work();
  };
  call.onEnd = () => {
    ended = true;
    if (!working) call.end();
  };
}
