import { compareBytes, emptyBytes, ownBytes } from "../../base/bytes.ts";
import { LeaseTable } from "../lease/lease_table.ts";
import { storeLimits } from "../limits.ts";
import type {
  Compare,
  KeyValue,
  Operation,
  OperationResponse,
  RangeRequest,
  RangeResponse,
  RangeSort,
  Revision,
  TxnRequest,
  TxnResponse,
} from "../types.ts";
import { Alarms } from "./alarms.ts";
import { checkRange, checkTxn, hasPut } from "./check.ts";
import { type Command, type CommandResult, type Refusal, refuse } from "./command.ts";
import { History, type HistoryEntry } from "./history.ts";
import { intervalOf, keyText } from "./interval.ts";
import { isTombstone, KeyIndex, type KeyRecord, liveAt, tombstone } from "./key_index.ts";
import { type MemoryOptions, placed, PlacedVersion, resident, valueLength } from "./overflow.ts";

/** What one applied command did: its answer, and the writes in order, all of revision `revision`. */
export interface Applied {
  readonly result: CommandResult;
  readonly revision: Revision;
  readonly changes: readonly HistoryEntry[];
}

export type RangeResult = { readonly ok: true; readonly response: RangeResponse } | Refusal;

/** A branch chosen by its comparisons, with the choices inside it; made before anything is written. */
interface Path {
  readonly succeeded: boolean;
  readonly operations: readonly Operation[];
  /** One for each nested transaction in `operations`, in order. */
  readonly nested: readonly Path[];
}

/** Keys looked at in one step of {@linkcode Mvcc.closeGaps}. */
const gapBatchKeys = 256;

const noChanges: readonly HistoryEntry[] = [];

/**
 * The multi-version key space: etcd's semantics over bytes. Deterministic: the same commands in the same order give the
 * same answers, history and {@linkcode keptVersions} on every replica.
 *
 * The main/sub revision of etcd is (modRevision, place in `history`): all writes of a transaction share the first.
 */
export class Mvcc {
  readonly index = new KeyIndex();
  readonly history = new History();
  readonly leases = new LeaseTable();
  readonly alarms = new Alarms();
  /** Snapshots under way: nothing is freed meanwhile. */
  pins = 0;
  readonly #keepEventsAtCompaction: boolean;
  readonly #memory: MemoryOptions | null;
  /** So many entries at the front of the history are older than what stays in memory: superseded ones overflow. */
  #settled = 0;
  /** Values of the entries behind those. */
  #recentBytes = 0;
  #revision = 1 as Revision;
  #compactRevision = 0;

  /** @param rules only tests break them @param memory absent: all values stay in it */
  constructor(
    rules: { readonly keepEventsAtCompaction: boolean } = { keepEventsAtCompaction: true },
    memory?: MemoryOptions,
  ) {
    this.#keepEventsAtCompaction = rules.keepEventsAtCompaction;
    this.#memory = memory ?? null;
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** The oldest revision that can be read; 0 while nothing was compacted. */
  get compactRevision(): number {
    return this.#compactRevision;
  }

  /** Keys, values and bookkeeping of every kept version. */
  get bytes(): number {
    return this.index.bytes;
  }

  /** Beside {@linkcode bytes}: held in files for values that were compacted away. */
  get gapBytes(): number {
    return this.#memory?.overflow.gapBytes ?? 0;
  }

  apply(command: Command): Applied {
    this.compactStep(storeLimits.compactionStepEntries);
    const refusal = this.#alarmed(command);
    if (refusal !== null) return this.#unchanged(refusal);
    switch (command.kind) {
      case "txn":
        return this.#applyTxn(command.request);
      case "leaseGrant":
        return this.#unchanged(this.#grant(command.id, command.ttlSeconds));
      case "leaseRevoke":
        return this.#applyRevoke(command.id);
      case "leaseCheckpoint":
        for (const checkpoint of command.leases) this.leases.checkpoint(checkpoint);
        return this.#unchanged({ ok: true, kind: "leaseCheckpoint", revision: this.#revision });
      case "compact":
        return this.#unchanged(this.#compact(command.revision));
      case "alarm": {
        const { memberId, alarm, action } = command;
        const changed = this.alarms.set({ memberId, kind: alarm }, action === "activate");
        return this.#unchanged({ ok: true, kind: "alarm", changed });
      }
    }
  }

  /** As etcd: with Corrupt nothing is served, with NoSpace nothing that adds data; deletes and compaction make room. */
  #alarmed(command: Command): Refusal | null {
    if (command.kind === "alarm") return null;
    if (this.alarms.has("Corrupt")) return corrupt();
    if (!this.alarms.has("NoSpace")) return null;
    const grows = command.kind === "leaseGrant" || (command.kind === "txn" && hasPut(command.request));
    return grows ? refuse("NoSpace", "Cannot add data: the NoSpace alarm is on") : null;
  }

  range(request: RangeRequest): RangeResult {
    if (this.alarms.has("Corrupt")) return corrupt();
    const refusal = checkRange(request) ?? this.#checkRevision(request.revision ?? 0);
    return refusal ?? { ok: true, response: this.#read(request, this.#revision) };
  }

  /** A transaction without writes, on the state as it is. */
  readTxn(request: TxnRequest): CommandResult {
    if (this.alarms.has("Corrupt")) return corrupt();
    const refusal = checkTxn(request);
    if (refusal !== null) return refusal;
    const path = this.#choose(request);
    const refused = this.#checkPath(path);
    if (refused !== null) return refused;
    return { ok: true, kind: "txn", response: this.#run(path, []) };
  }

  /** Frees up to `limit` writes from before the compact revision. True while there is more to free. */
  compactStep(limit: number): boolean {
    if (this.pins > 0) return true;
    const before = this.#compactRevision + (this.#keepEventsAtCompaction ? 0 : 1);
    for (let i = 0; i < limit; i++) {
      const entry = this.history.shiftBefore(before);
      if (entry === undefined) return false;
      if (this.#settled > 0) this.#settled--;
      else this.#recentBytes -= valueLength(entry.kv);
      this.index.prune(entry.record, this.#compactRevision);
    }
    return true;
  }

  /**
   * Moves the old values out of files with gaps, so that those can be given back. Commands may be applied between two
   * steps, which each yield the bytes that were moved: none for most.
   */
  *closeGaps(): Generator<number> {
    this.#memory?.overflow.leave();
    for (let from: string | null = this.gapBytes > 0 ? "" : null; from !== null;) {
      const batch: KeyRecord[] = [];
      let next: string | null = null;
      this.index.forRange({ from, to: null, single: false }, (record) => {
        if (batch.length === gapBatchKeys) next = record.text;
        else batch.push(record);
        return next === null;
      });
      yield 0;
      for (const { older } of batch) {
        for (const kv of older ?? []) if (kv instanceof PlacedVersion) yield kv.move();
      }
      from = next;
    }
  }

  /** Empties the store and takes over the counters of a snapshot; {@linkcode load} then brings its pairs. */
  reset(revision: Revision, compactRevision: number): void {
    this.index.clear();
    this.history.clear();
    this.#memory?.overflow.clear();
    this.#memory?.slabs.clear();
    this.#settled = 0;
    this.#recentBytes = 0;
    this.leases.clear();
    this.alarms.clear();
    this.#revision = revision;
    this.#compactRevision = compactRevision;
  }

  /** Adds one version from a snapshot. Versions come in history order, those of no history entry first. */
  load(kv: KeyValue): void {
    const text = keyText(kv.key);
    const known = this.index.get(text);
    // One key object for all versions of a key.
    const shared = this.#placed(known === undefined ? kv : { ...kv, key: known.latest.key });
    const record = this.index.append(known, text, shared);
    if (kv.modRevision >= this.#compactRevision) this.#remember({ kv: shared, record }, known);
    // An old version may name a lease that is gone; the tombstone that the revocation wrote comes later.
    this.leases.attach(text, this.leases.has(kv.lease) ? kv.lease : 0n);
  }

  #unchanged(result: CommandResult): Applied {
    return { result, revision: this.#revision, changes: noChanges };
  }

  #applyTxn(request: TxnRequest): Applied {
    const refusal = checkTxn(request);
    if (refusal !== null) return this.#unchanged(refusal);
    const path = this.#choose(request);
    const refused = this.#checkPath(path);
    if (refused !== null) return this.#unchanged(refused);
    const changes: HistoryEntry[] = [];
    const response = this.#run(path, changes);
    return this.#commit({ ok: true, kind: "txn", response }, changes);
  }

  #commit(result: CommandResult, changes: readonly HistoryEntry[]): Applied {
    if (changes.length > 0) this.#revision = (this.#revision + 1) as Revision;
    return { result, revision: this.#revision, changes };
  }

  #grant(id: bigint, ttlSeconds: number): CommandResult {
    if (id <= 0n || !Number.isSafeInteger(ttlSeconds) || ttlSeconds > storeLimits.leaseTtlSecondsMax) {
      return refuse("InvalidArgument", `Cannot grant lease ${id}: id or TTL of ${ttlSeconds} s is out of range`);
    }
    if (this.leases.has(id)) return refuse("LeaseExists", `Cannot grant lease ${id}: it exists`);
    if (this.leases.size >= storeLimits.leasesMax) {
      return refuse("Overloaded", `Cannot grant lease ${id}: there are ${storeLimits.leasesMax} already`);
    }
    const granted = Math.max(ttlSeconds, storeLimits.leaseTtlSecondsMin);
    this.leases.grant(id, granted);
    return { ok: true, kind: "leaseGrant", id, ttlSeconds: granted };
  }

  #applyRevoke(id: bigint): Applied {
    if (!this.leases.has(id)) return this.#unchanged(leaseNotFound(id));
    const changes: HistoryEntry[] = [];
    const keys = this.leases.keys(id);
    this.leases.revoke(id);
    for (const key of keys) {
      const record = this.index.get(key);
      if (record !== undefined && !isTombstone(record.latest)) this.#erase(record, changes);
    }
    const revision = (this.#revision + (changes.length > 0 ? 1 : 0)) as Revision;
    return this.#commit({ ok: true, kind: "leaseRevoke", revision }, changes);
  }

  #compact(revision: number): CommandResult {
    if (revision > this.#revision) {
      return refuse("FutureRevision", `Cannot compact to revision ${revision}: current revision is ${this.#revision}`);
    }
    if (revision <= this.#compactRevision) return this.#compacted(revision);
    this.#compactRevision = revision;
    return { ok: true, kind: "compact", revision: this.#revision };
  }

  #compacted(revision: number): Refusal {
    const message = `Revision ${revision} has been compacted: the oldest kept is ${this.#compactRevision}`;
    return { ok: false, code: "Compacted", message, compactRevision: this.#compactRevision };
  }

  #checkRevision(revision: number): Refusal | null {
    if (revision === 0) return null;
    if (revision < this.#compactRevision) return this.#compacted(revision);
    if (revision <= this.#revision) return null;
    return refuse("FutureRevision", `Cannot read revision ${revision}: current revision is ${this.#revision}`);
  }

  #choose(request: TxnRequest): Path {
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const operations = succeeded ? request.success : request.failure;
    const nested: Path[] = [];
    for (const operation of operations) if (operation.kind === "txn") nested.push(this.#choose(operation.request));
    return { succeeded, operations, nested };
  }

  /** All that can fail, fails here, before any side effect. */
  #checkPath(path: Path): Refusal | null {
    for (const operation of path.operations) {
      if (operation.kind === "range") {
        const refusal = this.#checkRevision(operation.request.revision ?? 0);
        if (refusal !== null) return refusal;
      } else if (operation.kind === "put") {
        const lease = operation.lease ?? 0n;
        if (lease !== 0n && !this.leases.has(lease)) return leaseNotFound(lease);
        if (operation.ignoreValue !== true && operation.ignoreLease !== true) continue;
        const record = this.index.get(keyText(operation.key));
        if (record === undefined || isTombstone(record.latest)) {
          return refuse("KeyNotFound", "Cannot put with ignoreValue or ignoreLease: the key does not exist");
        }
      }
    }
    for (const nested of path.nested) {
      const refusal = this.#checkPath(nested);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  #holds(compare: Compare): boolean {
    let any = false;
    let all = true;
    this.index.forRange(intervalOf(compare.key, compare.rangeEnd), (record) => {
      if (isTombstone(record.latest)) return true;
      any = true;
      all = compareHolds(compare, record.latest);
      return all;
    });
    if (any) return all;
    // A missing value cannot be told from an empty one, so a comparison of values fails; the counters read as 0.
    return compare.target === "value" ? false : compareHolds(compare, null);
  }

  #run(path: Path, changes: HistoryEntry[]): TxnResponse {
    const responses: OperationResponse[] = [];
    let nested = 0;
    for (const operation of path.operations) {
      switch (operation.kind) {
        case "range":
          responses.push({ kind: "range", response: this.#read(operation.request, this.#current(changes)) });
          break;
        case "put":
          responses.push(this.#put(operation, changes));
          break;
        case "delete":
          responses.push(this.#delete(operation, changes));
          break;
        case "txn":
          responses.push({ kind: "txn", response: this.#run(path.nested[nested++] as Path, changes) });
          break;
      }
    }
    return { revision: this.#current(changes), succeeded: path.succeeded, responses };
  }

  /** The revision that a read inside a transaction sees: with the transaction's own writes so far. */
  #current(changes: readonly HistoryEntry[]): Revision {
    return (this.#revision + (changes.length > 0 ? 1 : 0)) as Revision;
  }

  #put(operation: Operation & { kind: "put" }, changes: HistoryEntry[]): OperationResponse {
    const text = keyText(operation.key);
    const record = this.index.get(text);
    const before = record === undefined || isTombstone(record.latest) ? undefined : record.latest;
    const revision = (this.#revision + 1) as Revision;
    const lease = operation.ignoreLease === true ? (before?.lease ?? 0n) : (operation.lease ?? 0n);
    const kv: KeyValue = {
      // Copies: the operation's bytes are views into a frame that must not stay alive as long as the pair.
      key: record?.latest.key ?? operation.key.slice(),
      value: operation.ignoreValue === true ? (before?.value ?? emptyBytes) : this.#own(operation.value),
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
      lease,
    };
    if (lease !== 0n || (before !== undefined && before.lease !== 0n)) this.leases.attach(text, lease);
    this.#record(record, text, this.#placed(kv), changes);
    return operation.prevKv === true && before !== undefined
      ? { kind: "put", prevKv: resident(before) }
      : { kind: "put" };
  }

  /** A long value is copied to its place; a short one must not be a view into a message that would stay alive with it. */
  #own(value: Uint8Array): Uint8Array {
    if (this.#memory === null) return value.slice();
    if (value.length >= this.#memory.valueBytesMin) return value;
    return this.#memory.sharesCommands === true ? ownBytes(value) : value.slice();
  }

  #placed(kv: KeyValue): KeyValue {
    return this.#memory === null ? kv : placed(kv, this.#memory);
  }

  #delete(operation: Operation & { kind: "delete" }, changes: HistoryEntry[]): OperationResponse {
    const found: KeyRecord[] = [];
    this.index.forRange(intervalOf(operation.key, operation.rangeEnd), (record) => {
      if (!isTombstone(record.latest)) found.push(record);
    });
    const prevKvs = operation.prevKv === true ? found.map((record) => resident(record.latest)) : [];
    for (const record of found) {
      this.leases.attach(record.text, 0n);
      this.#erase(record, changes);
    }
    return { kind: "delete", deleted: found.length, prevKvs };
  }

  #erase(record: KeyRecord, changes: HistoryEntry[]): void {
    this.#record(record, record.text, tombstone(record.latest.key, (this.#revision + 1) as Revision), changes);
  }

  #record(record: KeyRecord | undefined, text: string, kv: KeyValue, changes: HistoryEntry[]): void {
    const entry = { kv, record: this.index.append(record, text, kv) };
    this.#remember(entry, record);
    changes.push(entry);
  }

  /** @param record what `entry` superseded a version of */
  #remember(entry: HistoryEntry, record: KeyRecord | undefined): void {
    this.history.append(entry);
    if (this.#memory === null) return;
    this.#recentBytes += valueLength(entry.kv);
    const superseded = record?.older?.at(-1);
    const first = this.history.at(this.#settled);
    if (record !== undefined && superseded !== undefined && superseded.modRevision < (first?.kv.modRevision ?? 0)) {
      moveOut(superseded, this.#memory);
    }
    while (this.#recentBytes > this.#memory.residentBytes) {
      const settled = this.history.at(this.#settled);
      if (settled === undefined || settled === entry) return;
      this.#settled++;
      this.#recentBytes -= valueLength(settled.kv);
      if (settled.kv !== settled.record.latest) moveOut(settled.kv, this.#memory);
    }
  }

  #read(request: RangeRequest, current: Revision): RangeResponse {
    const at = request.revision === undefined || request.revision === 0 ? current : request.revision;
    const limit = request.limit ?? 0;
    const filtered = isFiltered(request);
    const all = limit === 0 || request.sort !== undefined || filtered;
    const collectMax = request.countOnly === true ? 0 : all ? Infinity : limit;
    const withoutValues = request.keysOnly === true && request.sort?.by !== "value";
    const kvs: KeyValue[] = [];
    let count = 0;
    this.index.forRange(intervalOf(request.key, request.rangeEnd), (record) => {
      const kv = liveAt(record, at);
      if (kv === undefined) return;
      count++;
      if (kvs.length >= collectMax || (filtered && !withinBounds(kv, request))) return;
      kvs.push(withoutValues ? { ...kv, value: emptyBytes } : resident(kv));
    });
    if (request.sort !== undefined) sortPairs(kvs, request.sort);
    const found = filtered ? kvs.length : count;
    if (limit > 0 && kvs.length > limit) kvs.length = limit;
    const more = request.countOnly !== true && limit > 0 && found > limit;
    const shown = request.keysOnly === true ? kvs.map((kv) => ({ ...kv, value: emptyBytes })) : kvs;
    return { revision: current, kvs: shown, more, count };
  }
}

function moveOut(kv: KeyValue, { overflow }: MemoryOptions): void {
  if (kv instanceof PlacedVersion) kv.moveTo(overflow);
}

/** `kv` null: a key that does not exist, whose counters are 0. */
function compareHolds(compare: Compare, kv: KeyValue | null): boolean {
  let difference: number;
  switch (compare.target) {
    case "version":
      difference = (kv?.version ?? 0) - compare.value;
      break;
    case "create":
      difference = (kv?.createRevision ?? 0) - compare.value;
      break;
    case "mod":
      difference = (kv?.modRevision ?? 0) - compare.value;
      break;
    case "value":
      difference = compareBytes(kv?.value ?? emptyBytes, compare.value);
      break;
    case "lease": {
      const lease = kv?.lease ?? 0n;
      difference = lease === compare.value ? 0 : lease < compare.value ? -1 : 1;
      break;
    }
  }
  switch (compare.op) {
    case "=":
      return difference === 0;
    case "!=":
      return difference !== 0;
    case "<":
      return difference < 0;
    case ">":
      return difference > 0;
  }
}

/** Sorts in place; `kvs` arrive by key, and the sort is stable, so ties stay by key. */
function sortPairs(kvs: KeyValue[], sort: RangeSort): void {
  const sign = sort.order === "ascend" ? 1 : -1;
  if (sort.by === "key") {
    if (sign === -1) kvs.reverse();
    return;
  }
  const by = sort.by;
  kvs.sort((a, b) => {
    if (by === "value") return sign * compareBytes(a.value, b.value);
    if (by === "version") return sign * (a.version - b.version);
    return by === "create" ? sign * (a.createRevision - b.createRevision) : sign * (a.modRevision - b.modRevision);
  });
}

function isFiltered(request: RangeRequest): boolean {
  const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 } = request;
  return minModRevision > 0 || maxModRevision > 0 || minCreateRevision > 0 || maxCreateRevision > 0;
}

function withinBounds(kv: KeyValue, request: RangeRequest): boolean {
  const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 } = request;
  if (kv.modRevision < minModRevision || kv.createRevision < minCreateRevision) return false;
  return (maxModRevision === 0 || kv.modRevision <= maxModRevision) &&
    (maxCreateRevision === 0 || kv.createRevision <= maxCreateRevision);
}

function corrupt(): Refusal {
  return refuse("Corrupt", "Cannot serve: the Corrupt alarm is on");
}

function leaseNotFound(id: bigint): Refusal {
  return refuse("LeaseNotFound", `Cannot find lease ${id}: it expired, was revoked or never was`);
}
