import { storeLimits } from "../limits.ts";
import type { Operation, RangeRequest, TxnRequest } from "../types.ts";
import { type Refusal, refuse } from "./command.ts";
import { contains, type Interval, intervalOf, keyText } from "./interval.ts";

/** Refuses what can be refused without looking at the data: sizes, empty keys, a key put twice. Null: fine. */
export function checkTxn(request: TxnRequest): Refusal | null {
  const bytes = txnBytes(request);
  if (bytes > storeLimits.requestBytesMax) {
    return refuse(
      "TooLarge",
      `Cannot run transaction: ${bytes} bytes, at most ${storeLimits.requestBytesMax} are allowed`,
    );
  }
  const shape = checkShape(request, storeLimits.txnOperationsMax);
  if (shape !== null) return shape;
  return checkKeys(request.success) ?? checkKeys(request.failure);
}

export function checkRange(request: RangeRequest): Refusal | null {
  if (request.key.length === 0) return emptyKey();
  if (!isCount(request.limit ?? 0) || !isCount(request.revision ?? 0)) {
    return refuse("InvalidArgument", "Cannot range: limit and revision must be non-negative integers");
  }
  return null;
}

/** No operation of either branch, at any depth, writes: it may be answered as a read. */
export function isReadOnly(request: TxnRequest): boolean {
  const reads = (operation: Operation): boolean =>
    operation.kind === "range" || (operation.kind === "txn" && isReadOnly(operation.request));
  return request.success.every(reads) && request.failure.every(reads);
}

/** Some operation of either branch, at any depth, adds data. */
export function hasPut(request: TxnRequest): boolean {
  const puts = (operation: Operation): boolean =>
    operation.kind === "put" || (operation.kind === "txn" && hasPut(operation.request));
  return request.success.some(puts) || request.failure.some(puts);
}

/** Keys and values, without the envelope. */
function txnBytes(request: TxnRequest): number {
  let bytes = 0;
  for (const compare of request.compare) {
    bytes += compare.key.length + (compare.target === "value" ? compare.value.length : 0);
  }
  for (const branch of [request.success, request.failure]) {
    for (const operation of branch) {
      if (operation.kind === "txn") bytes += txnBytes(operation.request);
      else if (operation.kind === "range") bytes += operation.request.key.length;
      else bytes += operation.key.length + (operation.kind === "put" ? operation.value.length : 0);
    }
  }
  return bytes;
}

function checkShape(request: TxnRequest, budget: number): Refusal | null {
  const widest = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (widest > budget) {
    return refuse(
      "TooManyOperations",
      `Cannot run transaction: ${widest} operations, at most ${storeLimits.txnOperationsMax} are allowed`,
    );
  }
  for (const compare of request.compare) if (compare.key.length === 0) return emptyKey();
  for (const operation of [...request.success, ...request.failure]) {
    const refusal = checkOperation(operation, budget - widest);
    if (refusal !== null) return refusal;
  }
  return null;
}

function checkOperation(operation: Operation, budget: number): Refusal | null {
  switch (operation.kind) {
    case "range":
      return checkRange(operation.request);
    case "txn":
      return checkShape(operation.request, budget);
    case "put":
      if (operation.key.length === 0) return emptyKey();
      if (operation.ignoreValue === true && operation.value.length > 0) {
        return refuse("InvalidArgument", "Cannot put: a value is given and ignoreValue is set");
      }
      if (operation.ignoreLease === true && (operation.lease ?? 0n) !== 0n) {
        return refuse("InvalidArgument", "Cannot put: a lease is given and ignoreLease is set");
      }
      return null;
    case "delete":
      return operation.key.length === 0 ? emptyKey() : null;
  }
}

/** Most transactions have one operation a branch, which cannot clash with another. */
function checkKeys(operations: readonly Operation[]): Refusal | null {
  if (operations.length === 0 || (operations.length === 1 && operations[0]?.kind !== "txn")) return null;
  const touched = touchedKeys(operations);
  return "ok" in touched ? touched : null;
}

interface Touched {
  readonly puts: Map<string, number>;
  readonly deletes: Interval[];
}

/**
 * The keys a branch puts and deletes. A key may be written once in a transaction, since all its writes share one revision;
 * the two branches of a nested transaction exclude each other, so they may name the same key.
 */
function touchedKeys(operations: readonly Operation[]): Touched | Refusal {
  const deletes: Interval[] = [];
  const puts = new Map<string, number>();
  for (const operation of operations) {
    if (operation.kind === "delete") deletes.push(intervalOf(operation.key, operation.rangeEnd));
  }
  let group = 0;
  const nestedDeletes: Interval[] = [];
  for (const operation of operations) {
    if (operation.kind !== "txn") continue;
    group++;
    for (const branch of [operation.request.success, operation.request.failure]) {
      const touched = touchedKeys(branch);
      if ("ok" in touched) return touched;
      for (const key of touched.puts.keys()) {
        const owner = puts.get(key);
        const clash = (owner !== undefined && owner !== group) || deletes.some((interval) => contains(interval, key));
        if (clash) return duplicateKey();
        puts.set(key, group);
      }
      nestedDeletes.push(...touched.deletes);
    }
    // Only once both branches are read: a delete in one does not clash with a put in the other.
    for (const interval of nestedDeletes) {
      for (const [key, owner] of puts) if (owner !== group && contains(interval, key)) return duplicateKey();
    }
    deletes.push(...nestedDeletes.splice(0));
  }
  for (const operation of operations) {
    if (operation.kind !== "put") continue;
    const key = keyText(operation.key);
    if (puts.has(key) || deletes.some((interval) => contains(interval, key))) return duplicateKey();
    puts.set(key, 0);
  }
  return { puts, deletes };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function emptyKey(): Refusal {
  return refuse("InvalidArgument", "Cannot use an empty key: a key has at least one byte");
}

function duplicateKey(): Refusal {
  return refuse("DuplicateKey", "Cannot run transaction: a key is written more than once");
}
