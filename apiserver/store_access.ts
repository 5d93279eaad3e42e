import { equalBytes, fromUtf8 } from "../base/bytes.ts";
import type { TraceContext } from "../base/trace_context.ts";
import type { Clock, Histogram, Metrics, Random, Timers } from "../platform/mod.ts";
import type { Span } from "../platform/tracing/mod.ts";
import {
  type Compare,
  type KeyValue,
  type LeaseGrantResponse,
  type LeaseId,
  type Operation,
  type RangeRequest,
  type RangeResponse,
  type Store,
  StoreError,
  type TxnRequest,
  type TxnResponse,
} from "../store/types.ts";
import { expired, serviceUnavailable, timeout } from "../api/status.ts";
import { limits } from "./limits.ts";

/** Something that must change together with the object: an address taken or given back. */
export interface SideWrite {
  readonly key: Uint8Array;
  /** Null: delete. */
  readonly value: Uint8Array | null;
  /** Only where the key does not exist yet. */
  readonly mustBeAbsent: boolean;
}

export interface ConditionalWrite {
  readonly key: Uint8Array;
  /** modRevision that the key must have; 0: it must not exist. */
  readonly expected: number;
  /** Null: delete. */
  readonly value: Uint8Array | null;
  readonly lease?: LeaseId;
  readonly side?: readonly SideWrite[];
  /** A key that must exist: the namespace of what is created. */
  readonly parent?: Uint8Array;
}

export type WriteOutcome =
  | { readonly kind: "written"; readonly revision: number }
  /** The key was not as expected. `current` is what it holds, null for nothing. */
  | { readonly kind: "conflict"; readonly current: KeyValue | null }
  | { readonly kind: "parentMissing" }
  /** Indexes into `side` of the keys that were taken already. */
  | { readonly kind: "sideTaken"; readonly taken: readonly number[] };

type StoreCall = "get" | "list" | "create" | "update" | "delete" | "txn";

/** After upstream's spans of its storage. One span is one call with its retries, not a whole read-modify-write. */
const spanNames: Readonly<Record<StoreCall, string>> = {
  get: "Get etcd3",
  list: "List etcd3",
  create: "Create etcd3",
  update: "Update etcd3",
  delete: "Delete etcd3",
  txn: "Txn etcd3",
};

interface AccessDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly metrics?: Metrics;
  readonly isStale?: (key: Uint8Array) => boolean;
}

const durationHelp = "Time to the store's answer in seconds, retries included.";
const durationBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * The store with its outages ridden out: a call is tried again until there is a leader and an answer. A write whose
 * answer was lost is sent again too: it is conditional, so it cannot happen twice, and when it turns out to have
 * happened the first time the bytes under the key are ours.
 */
export class StoreAccess {
  readonly store: Store;
  /** Whether what is stored under a key should be written anew although nothing changes: with another key, encrypted. */
  readonly isStale: (key: Uint8Array) => boolean;
  readonly #deps: AccessDeps;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #stopping: AbortController;
  /** Of the request whose calls these are; null: nobody's, or one that is not traced. */
  readonly #span: Span | null;
  /** By operation. */
  readonly #seconds: Readonly<Record<StoreCall, Pick<Histogram, "observe">>> | null;

  constructor(store: Store, deps: AccessDeps, traced?: { readonly span: Span; readonly stopping: AbortController }) {
    this.store = store;
    this.isStale = deps.isStale ?? (() => false);
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#timers = deps.timers;
    this.#random = deps.random;
    this.#stopping = traced?.stopping ?? new AbortController();
    this.#span = traced?.span ?? null;
    const seconds = deps.metrics?.histogram("etcd_request_duration_seconds", durationHelp, durationBuckets);
    this.#seconds = seconds === undefined ? null : {
      get: seconds.with({ operation: "get" }),
      list: seconds.with({ operation: "list" }),
      create: seconds.with({ operation: "create" }),
      update: seconds.with({ operation: "update" }),
      delete: seconds.with({ operation: "delete" }),
      txn: seconds.with({ operation: "txn" }),
    };
  }

  /** The same access for one request's calls, each of which is a span under `span`. */
  under(span: Span): StoreAccess {
    return new StoreAccess(this.store, this.#deps, { span, stopping: this.#stopping });
  }

  /** Calls that wait for a leader fail now; no later one waits. */
  stop(): void {
    this.#stopping.abort();
  }

  async range(request: RangeRequest): Promise<RangeResponse> {
    const call = request.rangeEnd === undefined ? "get" : "list";
    return (await this.#persist(call, request.key, () => this.store.range(request))).answer;
  }

  /** The present value of one key; null when there is none. Linearizable. */
  async get(key: Uint8Array): Promise<KeyValue | null> {
    return (await this.range({ key })).kvs[0] ?? null;
  }

  async write(write: ConditionalWrite): Promise<WriteOutcome> {
    const side = write.side ?? [];
    const compare: Compare[] = [{ key: write.key, target: "mod", op: "=", value: write.expected }];
    if (write.parent !== undefined) compare.push({ key: write.parent, target: "create", op: ">", value: 0 });
    const success: Operation[] = [operation(write.key, write.value, write.lease)];
    const failure: Operation[] = [{ kind: "range", request: { key: write.key } }];
    if (write.parent !== undefined) failure.push({ kind: "range", request: { key: write.parent, keysOnly: true } });
    for (const { key, value, mustBeAbsent } of side) {
      if (mustBeAbsent) compare.push({ key, target: "create", op: "=", value: 0 });
      success.push(operation(key, value));
      failure.push({ kind: "range", request: { key, keysOnly: true } });
    }
    const { answer, uncertain } = await this.#persist(
      write.value === null ? "delete" : write.expected === 0 ? "create" : "update",
      write.key,
      (trace) => this.store.txn({ compare, success, failure }, trace),
    );
    if (answer.succeeded) return { kind: "written", revision: answer.revision };
    return this.#explain(write, answer, uncertain);
  }

  /** Several conditional writes as one. A repeated attempt may find its own work done, and then fails its comparisons. */
  async txn(request: TxnRequest): Promise<TxnResponse> {
    return (await this.#persist("txn", null, (trace) => this.store.txn(request, trace))).answer;
  }

  /** Grants a lease; the store may be without a leader for a while. */
  async leaseGrant(ttlSeconds: number): Promise<LeaseId> {
    return (await this.#persist("create", null, () => this.store.leaseGrant(ttlSeconds))).answer.id;
  }

  #explain(write: ConditionalWrite, answer: TxnResponse, uncertain: boolean): WriteOutcome {
    const found = answer.responses.map((it) => it.kind === "range" ? it.response.kvs[0] ?? null : null);
    const current = found[0] ?? null;
    if (uncertain) {
      if (write.value === null && current === null) return { kind: "written", revision: answer.revision };
      if (
        write.value !== null && current !== null && current.modRevision > write.expected &&
        equalBytes(current.value, write.value)
      ) return { kind: "written", revision: current.modRevision };
    }
    if ((current?.modRevision ?? 0) !== write.expected) return { kind: "conflict", current };
    const hasParent = write.parent !== undefined;
    if (hasParent && (found[1] ?? null) === null) return { kind: "parentMissing" };
    const taken: number[] = [];
    for (const [index, it] of (write.side ?? []).entries()) {
      if (it.mustBeAbsent && (found[index + (hasParent ? 2 : 1)] ?? null) !== null) taken.push(index);
    }
    return { kind: "sideTaken", taken };
  }

  /** `uncertain`: an earlier attempt was sent and never answered. */
  async #persist<T extends StoreAnswer>(kind: StoreCall, key: Uint8Array | null, call: Call<T>): Promise<Done<T>> {
    const startedAt = this.#clock.monotonic();
    const done = this.#span === null
      ? await this.#attempts(call)
      : await this.#traced(this.#span.child(spanNames[kind], "client"), key, call);
    this.#seconds?.[kind].observe((this.#clock.monotonic() - startedAt) / 1000);
    return done;
  }

  async #traced<T extends StoreAnswer>(span: Span, key: Uint8Array | null, call: Call<T>): Promise<Done<T>> {
    if (key !== null) span.set("key", fromUtf8(key));
    let attempts = 0;
    try {
      const done = await this.#attempts(() => {
        attempts++;
        return call(span.context);
      });
      if ("revision" in done.answer) span.set("revision", done.answer.revision);
      return done;
    } catch (error) {
      span.fail(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      span.set("attempts", attempts);
      span.end();
    }
  }

  async #attempts<T>(call: Call<T>): Promise<Done<T>> {
    const deadline = this.#clock.monotonic() + limits.storeRetryForMs;
    let uncertain = false;
    let pauseMs: number = limits.storeRetryBaseMs;
    for (;;) {
      try {
        return { answer: await call(), uncertain };
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (!isPassing(error)) throw statusOf(error);
        if (error.code === "Unavailable") uncertain = true;
        if (this.#clock.monotonic() >= deadline || this.#stopping.signal.aborted) {
          throw uncertain
            ? timeout("the store did not confirm in time: the request may have been carried out", 1)
            : statusOf(error);
        }
      }
      // An aborted pause ends early; the next attempt is the last one.
      await this.#timers.sleep(pauseMs * (0.5 + this.#random.next() / 2), this.#stopping.signal).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, limits.storeRetryMaxMs);
    }
  }
}

type StoreAnswer = RangeResponse | TxnResponse | LeaseGrantResponse;
/** @param trace of the span that the call is */
type Call<T> = (trace?: TraceContext) => Promise<T>;
interface Done<T> {
  readonly answer: T;
  readonly uncertain: boolean;
}

function operation(key: Uint8Array, value: Uint8Array | null, lease?: LeaseId): Operation {
  if (value === null) return { kind: "delete", key };
  return lease === undefined ? { kind: "put", key, value } : { kind: "put", key, value, lease };
}

function isPassing(error: StoreError): boolean {
  return error.code === "NoLeader" || error.code === "NotLeader" || error.code === "Unavailable" ||
    error.code === "Overloaded";
}

/** The Status for a store failure that a client may see. `LeaseNotFound` stays: its caller grants anew. */
function statusOf(error: StoreError): Error {
  switch (error.code) {
    case "NoLeader":
    case "NotLeader":
    case "Overloaded":
    case "Unavailable":
      return serviceUnavailable("the store has no leader at the moment", 1);
    case "Compacted":
      return expired("The provided continue parameter or resourceVersion is too old: its history has been compacted");
    case "NoSpace":
      return serviceUnavailable("the store is out of space: delete objects, then compact", 10);
    default:
      return error;
  }
}
