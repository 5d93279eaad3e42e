import { emptyBytes } from "../../base/bytes.ts";
import { grpcCode, GrpcError, type GrpcMethod } from "../../platform/grpc/mod.ts";
import { leavePlace, takePlace, waitForTurn } from "./contest.ts";
import { type Facade, unary } from "./service.ts";

/** v3lockpb.Lock: a lock that lives as long as a lease. */
export function lockService({ store, headers }: Facade): [path: string, method: GrpcMethod][] {
  return [
    [
      "/v3lockpb.Lock/Lock",
      unary("LockRequest", "LockResponse", async ({ name, lease }, { signal }) => {
        const place = await takePlace(store, name, lease, emptyBytes);
        try {
          await waitForTurn(store, name, place, signal);
        } catch (error) {
          await leavePlace(store, place.key, place.revision).catch(() => {}); // its lease will
          throw error;
        }
        const { kvs, revision } = await store.range({ key: place.key });
        if (kvs.length === 0) throw new GrpcError(grpcCode.unknown, "mutex: session is expired");
        return { header: headers.at(revision), key: place.key };
      }),
    ],
    [
      "/v3lockpb.Lock/Unlock",
      unary("UnlockRequest", "UnlockResponse", async ({ key }) => {
        const { revision } = await store.txn({ compare: [], success: [{ kind: "delete", key }], failure: [] });
        return { header: headers.at(revision) };
      }),
    ],
  ];
}
