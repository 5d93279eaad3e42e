import type { GrpcMethod } from "../../platform/grpc/mod.ts";
import { StoreError } from "../types.ts";
import {
  deleteOperation,
  pairMessage,
  previous,
  putOperation,
  rangeMessage,
  rangeRequest,
  txnMessage,
  txnRequest,
} from "./convert.ts";
import { type Facade, unary } from "./service.ts";

/** etcdserverpb.KV. RangeStream stays unimplemented: clients fall back to Range. */
export function kvService({ store, headers }: Facade): [path: string, method: GrpcMethod][] {
  const path = (name: string) => `/etcdserverpb.KV/${name}`;
  return [
    [
      path("Range"),
      unary("RangeRequest", "RangeResponse", async (message) => {
        const response = await store.range(rangeRequest(message));
        return { ...rangeMessage(response), header: headers.at(response.revision) };
      }),
    ],
    [
      path("Put"),
      unary("PutRequest", "PutResponse", async (message) => {
        const response = await store.txn({ compare: [], success: [putOperation(message)], failure: [] });
        const [answer] = response.responses;
        if (answer?.kind !== "put") throw new StoreError("Corrupt", "A put was answered as something else");
        return { header: headers.at(response.revision), ...previous(answer) };
      }),
    ],
    [
      path("DeleteRange"),
      unary("DeleteRangeRequest", "DeleteRangeResponse", async (message) => {
        const response = await store.txn({ compare: [], success: [deleteOperation(message)], failure: [] });
        const [answer] = response.responses;
        if (answer?.kind !== "delete") throw new StoreError("Corrupt", "A delete was answered as something else");
        const header = headers.at(response.revision);
        return { header, deleted: answer.deleted, prev_kvs: answer.prevKvs.map(pairMessage) };
      }),
    ],
    [
      path("Txn"),
      unary("TxnRequest", "TxnResponse", async (message) => {
        const response = await store.txn(txnRequest(message));
        return { ...txnMessage(response), header: headers.at(response.revision) };
      }),
    ],
    [
      path("Compact"),
      unary("CompactionRequest", "CompactionResponse", async (message) => {
        // `physical` asks to wait until the memory is free: it is freed step by step, and every read sees it gone at once.
        await store.compact(message.revision);
        const { revision } = await store.range({ key: new Uint8Array([0]), countOnly: true });
        return { header: headers.at(revision) };
      }),
    ],
  ];
}
