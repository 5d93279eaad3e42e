import type {
  Compare,
  KeyValue,
  Operation,
  OperationResponse,
  RangeRequest,
  RangeResponse,
  Revision,
  TxnRequest,
  TxnResponse,
} from "../types.ts";
import { StoreError } from "../types.ts";
import { compareResults, compareTargets, type Input, type Message, sortOrder, sortTargets } from "./messages.ts";

/** The other way round than convert.ts: the store's requests as etcd's messages, and etcd's answers as the store's. */

/** @param copy the pair must not keep the message it came in alive */
export function pairOf(message: Message<"KeyValue">, copy: boolean): KeyValue {
  return {
    key: copy ? message.key.slice() : message.key,
    value: copy ? message.value.slice() : message.value,
    createRevision: message.create_revision as Revision,
    modRevision: message.mod_revision as Revision,
    version: message.version,
    lease: message.lease,
  };
}

export function rangeInput(request: RangeRequest): Input<"RangeRequest"> {
  return {
    key: request.key,
    range_end: request.rangeEnd,
    limit: request.limit,
    revision: request.revision,
    serializable: request.serializable,
    keys_only: request.keysOnly,
    count_only: request.countOnly,
    min_mod_revision: request.minModRevision,
    max_mod_revision: request.maxModRevision,
    min_create_revision: request.minCreateRevision,
    max_create_revision: request.maxCreateRevision,
    ...(request.sort === undefined ? {} : {
      sort_target: sortTargets.indexOf(request.sort.by),
      sort_order: request.sort.order === "ascend" ? sortOrder.ascend : sortOrder.descend,
    }),
  };
}

export function rangeResponse(message: Message<"RangeResponse">, revision: number, copy: boolean): RangeResponse {
  return {
    revision: (message.header?.revision || revision) as Revision,
    kvs: message.kvs.map((kv) => pairOf(kv, copy)),
    more: message.more,
    count: message.count,
  };
}

export function txnInput(request: TxnRequest): Input<"TxnRequest"> {
  return {
    compare: request.compare.map(compareInput),
    success: request.success.map(operationInput),
    failure: request.failure.map(operationInput),
  };
}

function compareInput(compare: Compare): Input<"Compare"> {
  const base = {
    key: compare.key,
    range_end: compare.rangeEnd,
    result: compareResults.indexOf(compare.op),
    target: compareTargets.indexOf(compare.target),
  };
  switch (compare.target) {
    case "version":
      return { ...base, version: compare.value };
    case "create":
      return { ...base, create_revision: compare.value };
    case "mod":
      return { ...base, mod_revision: compare.value };
    case "value":
      return { ...base, value: compare.value };
    case "lease":
      return { ...base, lease: compare.value };
  }
}

function operationInput(operation: Operation): Input<"RequestOp"> {
  switch (operation.kind) {
    case "range":
      return { request_range: rangeInput(operation.request) };
    case "put":
      return {
        request_put: {
          key: operation.key,
          value: operation.value,
          lease: operation.lease,
          prev_kv: operation.prevKv,
          ignore_value: operation.ignoreValue,
          ignore_lease: operation.ignoreLease,
        },
      };
    case "delete":
      return {
        request_delete_range: { key: operation.key, range_end: operation.rangeEnd, prev_kv: operation.prevKv },
      };
    case "txn":
      return { request_txn: txnInput(operation.request) };
  }
}

export function txnResponse(message: Message<"TxnResponse">, revision: number, copy: boolean): TxnResponse {
  const own = message.header?.revision || revision;
  return {
    revision: own as Revision,
    succeeded: message.succeeded,
    responses: message.responses.map((each) => operationResponse(each, own, copy)),
  };
}

function operationResponse(message: Message<"ResponseOp">, revision: number, copy: boolean): OperationResponse {
  const { response_range, response_put, response_delete_range, response_txn } = message;
  if (response_range !== undefined) return { kind: "range", response: rangeResponse(response_range, revision, copy) };
  if (response_put !== undefined) {
    const { prev_kv } = response_put;
    return prev_kv === undefined ? { kind: "put" } : { kind: "put", prevKv: pairOf(prev_kv, copy) };
  }
  if (response_delete_range !== undefined) {
    const { deleted, prev_kvs } = response_delete_range;
    return { kind: "delete", deleted, prevKvs: prev_kvs.map((kv) => pairOf(kv, copy)) };
  }
  if (response_txn !== undefined) return { kind: "txn", response: txnResponse(response_txn, revision, copy) };
  throw new StoreError("Corrupt", "etcd answered an operation with nothing");
}
