import type {
  Compare,
  KeyValue,
  Operation,
  OperationResponse,
  RangeRequest,
  RangeResponse,
  RangeSort,
  TxnRequest,
  TxnResponse,
} from "../types.ts";
import { etcdError } from "./errors.ts";
import { compareResults, compareTargets, type Input, type Message, sortOrder, sortTargets } from "./messages.ts";

/** Requests and answers between etcd's messages and the store's. What etcd refuses by its shape is refused here. */

export function pairMessage(kv: KeyValue): Input<"KeyValue"> {
  return {
    key: kv.key,
    create_revision: kv.createRevision,
    mod_revision: kv.modRevision,
    version: kv.version,
    value: kv.value,
    lease: kv.lease,
  };
}

export function rangeRequest(message: Message<"RangeRequest">): RangeRequest {
  if (message.key.length === 0) throw etcdError("emptyKey");
  const sort = sortOf(message);
  return {
    key: message.key,
    ...endOf(message.range_end),
    ...positive("limit", message.limit),
    ...positive("revision", message.revision),
    ...flag("serializable", message.serializable),
    ...flag("keysOnly", message.keys_only),
    ...flag("countOnly", message.count_only),
    ...positive("minModRevision", message.min_mod_revision),
    ...positive("maxModRevision", message.max_mod_revision),
    ...positive("minCreateRevision", message.min_create_revision),
    ...positive("maxCreateRevision", message.max_create_revision),
    ...(sort === null ? {} : { sort }),
  };
}

/** Pairs come by key anyway. Another target without an order means ascending, as in etcd. */
function sortOf({ sort_order, sort_target }: Message<"RangeRequest">): RangeSort | null {
  const by = sortTargets[sort_target];
  if (by === undefined || sort_order < sortOrder.none || sort_order > sortOrder.descend) throw etcdError("invalidSort");
  if (sort_order === sortOrder.descend) return { by, order: "descend" };
  return by === "key" ? null : { by, order: "ascend" };
}

export function rangeMessage(response: RangeResponse): Input<"RangeResponse"> {
  return {
    header: { revision: response.revision },
    kvs: response.kvs.map(pairMessage),
    more: response.more,
    count: response.count,
  };
}

export function putOperation(message: Message<"PutRequest">): Operation & { kind: "put" } {
  if (message.key.length === 0) throw etcdError("emptyKey");
  if (message.ignore_value && message.value.length > 0) throw etcdError("valueProvided");
  if (message.ignore_lease && message.lease !== 0n) throw etcdError("leaseProvided");
  return {
    kind: "put",
    key: message.key,
    value: message.value,
    ...(message.lease === 0n ? {} : { lease: message.lease }),
    ...flag("prevKv", message.prev_kv),
    ...flag("ignoreValue", message.ignore_value),
    ...flag("ignoreLease", message.ignore_lease),
  };
}

export function deleteOperation(message: Message<"DeleteRangeRequest">): Operation & { kind: "delete" } {
  if (message.key.length === 0) throw etcdError("emptyKey");
  return { kind: "delete", key: message.key, ...endOf(message.range_end), ...flag("prevKv", message.prev_kv) };
}

export function txnRequest(message: Message<"TxnRequest">): TxnRequest {
  return {
    compare: message.compare.map(compareOf),
    success: message.success.map(operationOf),
    failure: message.failure.map(operationOf),
  };
}

function compareOf(message: Message<"Compare">): Compare {
  if (message.key.length === 0) throw etcdError("emptyKey");
  const op = compareResults[message.result];
  const target = compareTargets[message.target];
  // etcd compares by an unknown result or target as by one that never holds; no client sends one.
  if (op === undefined || target === undefined) throw etcdError("keyNotFound");
  const base = { key: message.key, ...endOf(message.range_end), op };
  switch (target) {
    case "version":
      return { ...base, target, value: message.version };
    case "create":
      return { ...base, target, value: message.create_revision };
    case "mod":
      return { ...base, target, value: message.mod_revision };
    case "value":
      return { ...base, target, value: message.value };
    case "lease":
      return { ...base, target, value: message.lease };
  }
}

function operationOf(message: Message<"RequestOp">): Operation {
  if (message.request_range !== undefined) return { kind: "range", request: rangeRequest(message.request_range) };
  if (message.request_put !== undefined) return putOperation(message.request_put);
  if (message.request_delete_range !== undefined) return deleteOperation(message.request_delete_range);
  if (message.request_txn !== undefined) return { kind: "txn", request: txnRequest(message.request_txn) };
  throw etcdError("keyNotFound");
}

export function txnMessage(response: TxnResponse): Input<"TxnResponse"> {
  return {
    header: { revision: response.revision },
    succeeded: response.succeeded,
    responses: response.responses.map((each) => responseOp(each, response.revision)),
  };
}

function responseOp(response: OperationResponse, revision: number): Input<"ResponseOp"> {
  switch (response.kind) {
    case "range":
      return { response_range: rangeMessage(response.response) };
    case "put":
      return { response_put: { header: { revision }, ...previous(response) } };
    case "delete": {
      const { deleted, prevKvs } = response;
      return { response_delete_range: { header: { revision }, deleted, prev_kvs: prevKvs.map(pairMessage) } };
    }
    case "txn":
      return { response_txn: txnMessage(response.response) };
  }
}

export function previous({ prevKv }: { readonly prevKv?: KeyValue }): { prev_kv?: Input<"KeyValue"> } {
  return prevKv === undefined ? {} : { prev_kv: pairMessage(prevKv) };
}

export function endOf(end: Uint8Array): { rangeEnd?: Uint8Array } {
  return end.length === 0 ? {} : { rangeEnd: end };
}

function flag<K extends string>(name: K, value: boolean): { [k in K]?: true } {
  return value ? { [name]: true } as { [k in K]?: true } : {}; // a computed key loses its type
}

/** Zero and less mean "none", as in etcd. */
function positive<K extends string>(name: K, value: number): { [k in K]?: number } {
  return value > 0 ? { [name]: value } as { [k in K]?: number } : {};
}
