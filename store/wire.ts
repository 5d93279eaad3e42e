import { Decoder, Encoder } from "@msgpack/msgpack";
import type { Command } from "./mvcc/command.ts";
import type {
  AlarmKind,
  ClusterMember,
  Compare,
  KeyValue,
  LeaseId,
  Operation,
  OperationResponse,
  RangeRequest,
  RangeResponse,
  RangeSort,
  Revision,
  StoreEvent,
  TxnRequest,
  TxnResponse,
} from "./types.ts";

/**
 * The store's values as msgpack: positional arrays around opaque bytes, for the log and for clients. Absent is null (or 0
 * for a lease); a lease id is a decimal text, since it needs 64 bits. Decoding checks every field, and hands out views
 * into the bytes it was given.
 */
export class WireError extends Error {
  override readonly name = "WireError";
}

// Their state is scratch space between calls, like a TextEncoder's. Depth: a transaction may nest 128 times.
const encoder = new Encoder({ maxDepth: 1_000 });
const decoder = new Decoder();

export function pack(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** Throws WireError unless `bytes` is one msgpack array. */
export function unpack(bytes: Uint8Array): readonly unknown[] {
  let value: unknown;
  try {
    value = decoder.decode(bytes);
  } catch (error) {
    throw new WireError("These bytes are not msgpack", { cause: error });
  }
  return asArray(value);
}

const compareOps = ["=", "!=", "<", ">"] as const;
const compareTargets = ["version", "create", "mod", "value", "lease"] as const;
const sortKeys = ["key", "version", "create", "mod", "value"] as const;

export function encodeCommand(command: Command): Uint8Array {
  switch (command.kind) {
    case "txn":
      return pack([0, ...txnFields(command.request)]);
    case "leaseGrant":
      return pack([1, leaseField(command.id), command.ttlSeconds]);
    case "leaseRevoke":
      return pack([2, leaseField(command.id)]);
    case "compact":
      return pack([3, command.revision]);
    case "alarm":
      return pack([4, command.action, command.memberId, command.alarm]);
    case "leaseCheckpoint":
      return pack([5, ...command.leases.flatMap(({ id, remainingSeconds }) => [leaseField(id), remainingSeconds])]);
  }
}

export function decodeCommand(bytes: Uint8Array): Command {
  const [kind, ...rest] = unpack(bytes);
  switch (kind) {
    case 0:
      return { kind: "txn", request: asTxn(rest) };
    case 1:
      return { kind: "leaseGrant", id: asLease(rest[0]), ttlSeconds: asInteger(rest[1]) };
    case 2:
      return { kind: "leaseRevoke", id: asLease(rest[0]) };
    case 3:
      return { kind: "compact", revision: asInteger(rest[0]) };
    case 4: {
      const action = rest[0] === "disarm" ? "disarm" : "activate";
      return { kind: "alarm", action, memberId: asText(rest[1]), alarm: asAlarmKind(rest[2]) };
    }
    case 5: {
      const leases = Array.from({ length: Math.ceil(rest.length / 2) }, (_, i) => ({
        id: asLease(rest[2 * i]),
        remainingSeconds: asInteger(rest[2 * i + 1]),
      }));
      return { kind: "leaseCheckpoint", leases };
    }
  }
  throw new WireError(`Unknown command ${String(kind)}`);
}

export function rangeFields(request: RangeRequest): unknown[] {
  const flags = (request.serializable === true ? 1 : 0) | (request.keysOnly === true ? 2 : 0) |
    (request.countOnly === true ? 4 : 0);
  const sort = request.sort === undefined
    ? 0
    : 1 + 2 * sortKeys.indexOf(request.sort.by) + (request.sort.order === "descend" ? 1 : 0);
  const fields = [request.key, request.rangeEnd ?? null, request.limit ?? 0, request.revision ?? 0, flags, sort];
  const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 } = request;
  const bounds = [minModRevision, maxModRevision, minCreateRevision, maxCreateRevision];
  return bounds.some((bound) => bound !== 0) ? [...fields, bounds] : fields;
}

export function asRange(value: unknown): RangeRequest {
  const [key, end, limit, revision, flagBits, sort, bounds] = asArray(value);
  const flags = asInteger(flagBits);
  return {
    key: asBytes(key),
    ...endOf(end),
    ...(limit === 0 ? {} : { limit: asInteger(limit) }),
    ...(revision === 0 ? {} : { revision: asInteger(revision) }),
    ...((flags & 1) === 0 ? {} : { serializable: true }),
    ...((flags & 2) === 0 ? {} : { keysOnly: true }),
    ...((flags & 4) === 0 ? {} : { countOnly: true }),
    ...(sort === 0 ? {} : { sort: asSort(asInteger(sort) - 1) }),
    ...(bounds === undefined ? {} : asBounds(asArray(bounds).map(asInteger))),
  };
}

function asBounds([minMod = 0, maxMod = 0, minCreate = 0, maxCreate = 0]: readonly number[]): Partial<RangeRequest> {
  return {
    ...(minMod === 0 ? {} : { minModRevision: minMod }),
    ...(maxMod === 0 ? {} : { maxModRevision: maxMod }),
    ...(minCreate === 0 ? {} : { minCreateRevision: minCreate }),
    ...(maxCreate === 0 ? {} : { maxCreateRevision: maxCreate }),
  };
}

export function asAlarmKind(value: unknown): AlarmKind {
  if (value === "NoSpace" || value === "Corrupt") return value;
  throw new WireError("An alarm is missing");
}

export function memberFields(member: ClusterMember): unknown[] {
  return [member.id, member.peerAddress, member.clientAddress, member.isLearner];
}

export function asMember(value: unknown): ClusterMember {
  const [id, peer, client, learner] = asArray(value);
  return { id: asText(id), peerAddress: asText(peer), clientAddress: asText(client), isLearner: learner === true };
}

function asSort(code: number): RangeSort {
  return { by: oneOf(sortKeys, code >> 1), order: (code & 1) === 1 ? "descend" : "ascend" };
}

function txnFields(request: TxnRequest): unknown[] {
  return [
    request.compare.map(compareFields),
    request.success.map(operationFields),
    request.failure.map(operationFields),
  ];
}

function asTxn(fields: readonly unknown[]): TxnRequest {
  return {
    compare: asArray(fields[0]).map(asCompare),
    success: asArray(fields[1]).map(asOperation),
    failure: asArray(fields[2]).map(asOperation),
  };
}

function compareFields(compare: Compare): unknown[] {
  const value = compare.target === "lease" ? leaseField(compare.value) : compare.value;
  const [op, target] = [compareOps.indexOf(compare.op), compareTargets.indexOf(compare.target)];
  return [compare.key, compare.rangeEnd ?? null, op, target, value];
}

function asCompare(value: unknown): Compare {
  const [key, end, op, code, operand] = asArray(value);
  const base = { key: asBytes(key), ...endOf(end), op: oneOf(compareOps, asInteger(op)) };
  const target = oneOf(compareTargets, asInteger(code));
  if (target === "value") return { ...base, target, value: asBytes(operand) };
  if (target === "lease") return { ...base, target, value: asLease(operand) };
  return { ...base, target, value: asInteger(operand) };
}

function operationFields(operation: Operation): unknown[] {
  switch (operation.kind) {
    case "range":
      return [0, rangeFields(operation.request)];
    case "put": {
      const flags = (operation.prevKv === true ? 1 : 0) | (operation.ignoreValue === true ? 2 : 0) |
        (operation.ignoreLease === true ? 4 : 0);
      return [1, operation.key, operation.value, leaseField(operation.lease ?? 0n), flags];
    }
    case "delete":
      return [2, operation.key, operation.rangeEnd ?? null, operation.prevKv === true ? 1 : 0];
    case "txn":
      return [3, ...txnFields(operation.request)];
  }
}

function asOperation(value: unknown): Operation {
  const fields = asArray(value);
  switch (fields[0]) {
    case 0:
      return { kind: "range", request: asRange(fields[1]) };
    case 1: {
      const lease = asLease(fields[3]);
      const flags = asInteger(fields[4]);
      return {
        kind: "put",
        key: asBytes(fields[1]),
        value: asBytes(fields[2]),
        ...(lease === 0n ? {} : { lease }),
        ...((flags & 1) === 0 ? {} : { prevKv: true }),
        ...((flags & 2) === 0 ? {} : { ignoreValue: true }),
        ...((flags & 4) === 0 ? {} : { ignoreLease: true }),
      };
    }
    case 2: {
      const prevKv = fields[3] === 1 ? { prevKv: true } : {};
      return { kind: "delete", key: asBytes(fields[1]), ...endOf(fields[2]), ...prevKv };
    }
    case 3:
      return { kind: "txn", request: asTxn(fields.slice(1)) };
  }
  throw new WireError(`Unknown operation ${String(fields[0])}`);
}

export function pairFields(kv: KeyValue): unknown[] {
  return [kv.key, kv.value, kv.createRevision, kv.modRevision, kv.version, leaseField(kv.lease)];
}

/** @param copy the pair must not keep the message alive */
export function asPair(value: unknown, copy: boolean): KeyValue {
  const [key, data, create, mod, version, lease] = asArray(value);
  return {
    key: copy ? asBytes(key).slice() : asBytes(key),
    value: copy ? asBytes(data).slice() : asBytes(data),
    createRevision: asInteger(create) as Revision,
    modRevision: asInteger(mod) as Revision,
    version: asInteger(version),
    lease: asLease(lease),
  };
}

export function rangeResponseFields(response: RangeResponse): unknown[] {
  return [response.revision, response.more, response.count, response.kvs.map(pairFields)];
}

export function asRangeResponse(value: unknown, copy: boolean): RangeResponse {
  const [revision, more, count, kvs] = asArray(value);
  return {
    revision: asInteger(revision) as Revision,
    kvs: asArray(kvs).map((kv) => asPair(kv, copy)),
    more: more === true,
    count: asInteger(count),
  };
}

export function txnResponseFields(response: TxnResponse): unknown[] {
  return [response.revision, response.succeeded, response.responses.map(operationResponseFields)];
}

export function asTxnResponse(value: unknown, copy: boolean): TxnResponse {
  const [revision, succeeded, responses] = asArray(value);
  return {
    revision: asInteger(revision) as Revision,
    succeeded: succeeded === true,
    responses: asArray(responses).map((each) => asOperationResponse(each, copy)),
  };
}

function operationResponseFields(response: OperationResponse): unknown[] {
  switch (response.kind) {
    case "range":
      return [0, rangeResponseFields(response.response)];
    case "put":
      return [1, response.prevKv === undefined ? null : pairFields(response.prevKv)];
    case "delete":
      return [2, response.deleted, response.prevKvs.map(pairFields)];
    case "txn":
      return [3, txnResponseFields(response.response)];
  }
}

function asOperationResponse(value: unknown, copy: boolean): OperationResponse {
  const [kind, first, second] = asArray(value);
  switch (kind) {
    case 0:
      return { kind: "range", response: asRangeResponse(first, copy) };
    case 1:
      return first === null ? { kind: "put" } : { kind: "put", prevKv: asPair(first, copy) };
    case 2:
      return { kind: "delete", deleted: asInteger(first), prevKvs: asArray(second).map((kv) => asPair(kv, copy)) };
    case 3:
      return { kind: "txn", response: asTxnResponse(first, copy) };
  }
  throw new WireError(`Unknown answer ${String(kind)}`);
}

export function encodeEvents(events: readonly StoreEvent[]): Uint8Array {
  return pack(events.map(({ kv, prevKv }) => [pairFields(kv), prevKv === undefined ? null : pairFields(prevKv)]));
}

export function decodeEvents(bytes: Uint8Array, copy: boolean): StoreEvent[] {
  return unpack(bytes).map((event) => {
    const [first, second] = asArray(event);
    const kv = asPair(first, copy);
    const type = kv.version === 0 ? "delete" : "put";
    return second === null ? { type, kv } : { type, kv, prevKv: asPair(second, copy) };
  });
}

function endOf(value: unknown): { rangeEnd?: Uint8Array } {
  return value === null ? {} : { rangeEnd: asBytes(value) };
}

export function leaseField(id: LeaseId): number | string {
  return id === 0n ? 0 : id.toString();
}

export function asLease(value: unknown): LeaseId {
  if (value === 0) return 0n;
  if (typeof value === "string" && /^-?[0-9]{1,20}$/.test(value)) return BigInt.asIntN(64, BigInt(value));
  throw new WireError("A lease id is missing");
}

export function asArray(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new WireError("A list is missing");
}

export function asBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new WireError("Bytes are missing");
}

export function asInteger(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new WireError("An integer is missing");
}

export function asText(value: unknown): string {
  if (typeof value === "string") return value;
  throw new WireError("A text is missing");
}

function oneOf<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new WireError(`No meaning has the code ${index}`);
  return value;
}
