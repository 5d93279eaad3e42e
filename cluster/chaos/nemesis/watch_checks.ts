import { fromUtf8 } from "../../../base/bytes.ts";
import type { KeyValue, StoreEvent } from "../../../store/mod.ts";

/**
 * What a watch promises, as etcd's robustness tests name it. Filter: only keys that were asked for. Ordered: revisions
 * never go back. Unique: no event twice. Atomic: all events of a revision in one delivery. Bookmarkable: nothing at or
 * below a revision of which it was said that all was delivered. Resumable: one opened again misses nothing at its seam.
 * Reliable: nothing is missing in between. PrevKV: the pair before is the pair before. IsCreate: a create is told as one.
 */
export const watchChecks = [
  "Filter",
  "Ordered",
  "Unique",
  "Atomic",
  "Bookmarkable",
  "Resumable",
  "Reliable",
  "PrevKV",
  "IsCreate",
] as const;
export type WatchCheck = typeof watchChecks[number];

export interface WatchViolation {
  readonly check: WatchCheck;
  readonly watch: string;
  readonly words: string;
}

/** One event, as short as it can be compared. */
interface Told {
  readonly revision: number;
  readonly key: string;
  /** Null: deleted. */
  readonly value: string | null;
}

/** Keys whose last pair a judge remembers: more than are ever alive at once, since old ones are deleted. */
const rememberedKeysMax = 10_000;

/** Judges one watch as it is delivered, and keeps what it was told until {@linkcode compareHistories} has compared it. */
export class WatchJudge {
  readonly name: string;
  readonly #matches: (key: string) => boolean;
  readonly #onViolation: (violation: WatchViolation) => void;
  /** Deliveries that were not compared yet. */
  #told: Told[] = [];
  /** Starts of stretches that were not compared yet. */
  #seams: number[] = [];
  /** Everything up to here was delivered, says the watch. */
  #complete = 0;
  #lastEvent = 0;
  /** Null value: deleted. */
  readonly #pairs = new Map<string, { readonly revision: number; readonly value: string | null }>();
  /** Whether every change of a key since it was created is known: not after a gap that was allowed. */
  #knowsAll: boolean;
  events = 0;

  constructor(
    config: { readonly name: string; readonly matches: (key: string) => boolean; readonly fromStart: boolean },
    onViolation: (violation: WatchViolation) => void,
  ) {
    this.name = config.name;
    this.#matches = config.matches;
    this.#knowsAll = config.fromStart;
    this.#onViolation = onViolation;
  }

  get complete(): number {
    return this.#complete;
  }

  get pending(): number {
    return this.#told.length;
  }

  matches(key: string): boolean {
    return this.#matches(key);
  }

  /** A stretch begins with `revision`. */
  opened(revision: number): void {
    this.#seams.push(revision);
    if (this.#complete === 0) this.#complete = revision - 1;
  }

  /** History below was compacted: what is missing up to `revision` is no fault of the watch. */
  excused(revision: number): void {
    this.#complete = Math.max(this.#complete, revision);
    this.#lastEvent = Math.max(this.#lastEvent, revision);
    this.#knowsAll = false;
    this.#pairs.clear();
    this.#told = [];
    this.excusedUpTo = revision;
  }

  excusedUpTo = 0;

  delivered(events: readonly StoreEvent[], revision: number): void {
    const before = this.#lastEvent;
    for (const event of events) this.#one(event, before);
    this.#complete = Math.max(this.#complete, revision);
  }

  progress(revision: number): void {
    this.#complete = Math.max(this.#complete, revision);
  }

  #one(event: StoreEvent, lastOfEarlierCalls: number): void {
    const key = fromUtf8(event.kv.key);
    const revision = event.kv.modRevision;
    const value = event.type === "put" ? fromUtf8(event.kv.value) : null;
    this.events++;
    if (!this.#matches(key)) this.#violated("Filter", `${key} at ${revision} was not asked for`);
    const twice = this.#pairs.get(key)?.revision === revision;
    if (twice) this.#violated("Unique", `${key} at ${revision} came twice`);
    else if (revision < this.#lastEvent) this.#violated("Ordered", `${revision} came after ${this.#lastEvent}`);
    else if (revision === lastOfEarlierCalls) {
      this.#violated("Atomic", `${key} at ${revision} came apart from the rest of its revision`);
    } else if (revision <= this.#complete) {
      this.#violated(
        "Bookmarkable",
        `${key} at ${revision} came after everything up to ${this.#complete} was said to have`,
      );
    }
    if (this.#knowsAll && !twice) this.#compareWithPair(event, key);
    this.#lastEvent = Math.max(this.#lastEvent, revision);
    this.#remember(key, revision, value);
    this.#told.push({ revision, key, value });
  }

  #compareWithPair({ type, kv, prevKv }: StoreEvent, key: string): void {
    const pair = this.#pairs.get(key);
    const before = pair === undefined || pair.value === null ? null : pair;
    const told = prevKv === undefined ? null : { revision: prevKv.modRevision, value: fromUtf8(prevKv.value) };
    if (before?.revision !== told?.revision || before?.value !== told?.value) {
      const words = (it: { revision: number; value: string | null } | null) => it === null ? "none" : `${it.revision}`;
      this.#violated("PrevKV", `${key} at ${kv.modRevision}: told ${words(told)}, was ${words(before)}`);
    }
    if (type === "put" && isCreate(kv) !== (before === null)) {
      this.#violated("IsCreate", `${key} at ${kv.modRevision}, version ${kv.version}: existed ${before !== null}`);
    }
  }

  #remember(key: string, revision: number, value: string | null): void {
    this.#pairs.delete(key);
    this.#pairs.set(key, { revision, value });
    if (this.#pairs.size <= rememberedKeysMax) return;
    for (const [old, pair] of this.#pairs) {
      if (pair.value !== null) continue;
      this.#pairs.delete(old); // deleted long ago, and never written again
      if (this.#pairs.size <= rememberedKeysMax / 2) break;
    }
  }

  /** Hands over what was told up to `revision`, with the starts of the stretches that it came in. */
  take(revision: number): { readonly told: readonly Told[]; readonly seams: readonly number[] } {
    const end = this.#told.findIndex((each) => each.revision > revision);
    const told = this.#told.splice(0, end === -1 ? this.#told.length : end);
    const seams = this.#seams;
    this.#seams = seams.filter((each) => each > revision);
    return { told, seams };
  }

  #violated(check: WatchCheck, words: string): void {
    this.#onViolation({ check, watch: this.name, words });
  }
}

function isCreate(kv: KeyValue): boolean {
  return kv.version === 1 && kv.createRevision === kv.modRevision;
}

/** One write that was acknowledged: these keys have these values at this revision (null: deleted). */
export interface AcknowledgedWrite {
  readonly revision: number;
  readonly key: string;
  readonly value: string | null;
}

export interface Comparison {
  /** Everything up to here has been compared. */
  readonly upTo: number;
  readonly events: number;
  readonly lost: readonly AcknowledgedWrite[];
}

/**
 * Compares what all watches were told of the revisions behind `from` that each of them has finished. The history is what
 * any of them was told; each must have been told all of it that it asked for, and every acknowledged write is in it.
 * @param contiguous some watch sees every key, so that a revision without an event is missing
 */
export function compareHistories(
  judges: readonly WatchJudge[],
  acknowledged: readonly AcknowledgedWrite[],
  from: number,
  options: { readonly contiguous: boolean },
  onViolation: (violation: WatchViolation) => void,
): Comparison {
  const upTo = judges.reduce((least, each) => Math.min(least, each.complete), Infinity);
  if (!Number.isFinite(upTo) || upTo <= from) return { upTo: from, events: 0, lost: [] };
  const history = new Map<number, Map<string, string | null>>();
  const taken = judges.map((judge) => ({ judge, ...judge.take(upTo) }));
  for (const { judge, told } of taken) {
    for (const { revision, key, value } of told) {
      const at = history.get(revision) ?? new Map<string, string | null>();
      history.set(revision, at);
      if (at.has(key) && at.get(key) !== value) {
        onViolation({
          check: "Reliable",
          watch: judge.name,
          words: `${key} at ${revision} was told otherwise elsewhere`,
        });
      }
      at.set(key, value);
    }
  }
  const revisions = [...history.keys()].sort((a, b) => a - b);
  let events = 0;
  for (const at of history.values()) events += at.size;
  for (const { judge, told, seams } of taken) {
    const own = new Set(told.map(({ revision, key }) => `${revision} ${key}`));
    const firsts = seams.map((seam) => told.find((each) => each.revision >= seam)?.revision ?? Infinity);
    for (const revision of revisions) {
      if (revision <= judge.excusedUpTo) continue;
      for (const key of history.get(revision)?.keys() ?? []) {
        if (!judge.matches(key) || own.has(`${revision} ${key}`)) continue;
        // Missing before the first event of a stretch that was opened again: the seam leaks.
        const atSeam = seams.some((seam, i) => i > 0 && revision >= seam && revision < (firsts[i] ?? Infinity));
        const check = atSeam ? "Resumable" : "Reliable";
        onViolation({ check, watch: judge.name, words: `${key} at ${revision} was never told` });
      }
    }
  }
  if (options.contiguous) {
    for (let revision = from + 1; revision <= upTo; revision++) {
      if (history.has(revision) || judges.some((each) => revision <= each.excusedUpTo)) continue;
      onViolation({ check: "Reliable", watch: "all", words: `nobody was told of revision ${revision}` });
    }
  }
  const lost = acknowledged.filter(({ revision, key, value }) =>
    revision > from && revision <= upTo && !judges.some((each) => revision <= each.excusedUpTo) &&
    history.get(revision)?.get(key) !== value
  );
  return { upTo, events, lost };
}
