import { equalBytes, prefixEnd } from "../../base/bytes.ts";
import { grpcCode, GrpcError, type GrpcMethod, type GrpcStream } from "../../platform/grpc/mod.ts";
import type { KeyValue } from "../types.ts";
import { follow, holder, leavePlace, prefixOf, takePlace, waitForTurn } from "./contest.ts";
import { pairMessage } from "./convert.ts";
import { etcdCodec, type Message } from "./messages.ts";
import { type Facade, streamError, unary } from "./service.ts";

/** v3electionpb.Election. */
export function electionService(facade: Facade): [path: string, method: GrpcMethod][] {
  const { store, headers } = facade;
  const path = (name: string) => `/v3electionpb.Election/${name}`;

  /** Puts the leader's value. @throws GrpcError when it does not lead (any more) */
  async function proclaim(leader: Message<"LeaderKey">, value: Uint8Array): Promise<number> {
    const { key, rev, lease } = leader;
    const response = await store.txn({
      compare: [{ key, op: "=", target: "create", value: rev }],
      success: [{ kind: "put", key, value, lease }],
      failure: [],
    });
    if (!response.succeeded) throw new GrpcError(grpcCode.unknown, "election: not leader");
    return response.revision;
  }

  return [
    [
      path("Campaign"),
      unary("CampaignRequest", "CampaignResponse", async ({ name, lease, value }, { signal }) => {
        const place = await takePlace(store, name, lease, value);
        const leader = { name, key: place.key, rev: place.revision, lease: place.lease };
        try {
          if (place.existing !== null && !equalBytes(place.existing.value, value)) await proclaim(leader, value);
          return { header: headers.at(await waitForTurn(store, name, place, signal)), leader };
        } catch (error) {
          await leavePlace(store, place.key, place.revision).catch(() => {}); // its lease will
          throw error;
        }
      }),
    ],
    [
      path("Proclaim"),
      unary("ProclaimRequest", "ProclaimResponse", async ({ leader, value }) => {
        return { header: headers.at(await proclaim(given(leader), value)) };
      }),
    ],
    [
      path("Leader"),
      unary("LeaderRequest", "LeaderResponse", async ({ name }) => {
        const { kv, revision } = await holder(store, name);
        if (kv === null) throw new GrpcError(grpcCode.unknown, "election: no leader");
        return { header: headers.at(revision), kv: pairMessage(kv) };
      }),
    ],
    [
      path("Resign"),
      unary("ResignRequest", "ResignResponse", async ({ leader }) => {
        const { key, rev } = given(leader);
        return { header: headers.at(await leavePlace(store, key, rev)) };
      }),
    ],
    [path("Observe"), { kind: "stream", open: (call) => observe(call, facade) }],
  ];
}

function given(leader: Message<"LeaderKey"> | undefined): Message<"LeaderKey"> {
  if (leader === undefined) throw new GrpcError(grpcCode.unknown, '"leader" field must be provided');
  return leader;
}

/** Every value of every leader, in order, beginning with the one that leads now. */
function observe(call: GrpcStream, { store, headers, log }: Facade): void {
  const send = (kv: KeyValue) =>
    call.send(etcdCodec.encode("LeaderResponse", { header: headers.at(kv.modRevision), kv: pairMessage(kv) }));

  async function run(name: Uint8Array): Promise<void> {
    const key = prefixOf(name);
    for (;;) {
      let { kv, revision } = await holder(store, name);
      if (kv === null) {
        const wanted = { key, rangeEnd: prefixEnd(key), startRevision: revision + 1 };
        await follow(store, wanted, call.signal, (event) => {
          if (event.type !== "put") return false;
          kv = event.kv;
          revision = event.kv.modRevision;
          return true;
        });
      }
      if (kv === null) continue;
      send(kv);
      await follow(store, { key: kv.key, startRevision: revision + 1 }, call.signal, (event) => {
        if (event.type === "put") send(event.kv);
        return event.type === "delete";
      });
    }
  }

  call.onMessage = (bytes) => {
    run(etcdCodec.decode("LeaderRequest", bytes).name).catch((error) => call.end(streamError(error, log)));
  };
}
