import type { Brand } from "../base/brand.ts";

/** A revision of the whole key space; starts at 1 in an empty store, each transaction that writes adds one. */
export type Revision = Brand<number, "Revision">;
/** 0n means: no lease. A full 64-bit id, hence bigint. */
export type LeaseId = bigint;

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** Counts the writes of this key since it was created, from 1. */
  readonly version: number;
  readonly lease: LeaseId;
}

export type RangeSort = {
  readonly by: "key" | "version" | "create" | "mod" | "value";
  readonly order: "ascend" | "descend";
};

export interface RangeRequest {
  readonly key: Uint8Array;
  /** Absent: the one key. `[0]`: every key >= `key`. Otherwise keys in [key, rangeEnd). */
  readonly rangeEnd?: Uint8Array;
  /** 0 or absent: no limit. */
  readonly limit?: number;
  /** Absent: the current revision. */
  readonly revision?: number;
  /** Answer from this member's applied state, perhaps stale. Default: linearizable (ReadIndex). */
  readonly serializable?: boolean;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly sort?: RangeSort;
}

export interface RangeResponse {
  /** The store's revision when the range was read. */
  readonly revision: Revision;
  readonly kvs: readonly KeyValue[];
  /** More keys in the range than `limit` let through. */
  readonly more: boolean;
  /** Keys in the range, whatever the limit. */
  readonly count: number;
}

export type Compare =
  & { readonly key: Uint8Array; readonly rangeEnd?: Uint8Array; readonly op: "=" | "!=" | "<" | ">" }
  & (
    | { readonly target: "version" | "create" | "mod"; readonly value: number }
    | { readonly target: "value"; readonly value: Uint8Array }
    | { readonly target: "lease"; readonly value: LeaseId }
  );

export type Operation =
  | { readonly kind: "range"; readonly request: RangeRequest }
  | {
    readonly kind: "put";
    readonly key: Uint8Array;
    readonly value: Uint8Array;
    readonly lease?: LeaseId;
    readonly prevKv?: boolean;
    readonly ignoreValue?: boolean;
    readonly ignoreLease?: boolean;
  }
  | { readonly kind: "delete"; readonly key: Uint8Array; readonly rangeEnd?: Uint8Array; readonly prevKv?: boolean }
  | { readonly kind: "txn"; readonly request: TxnRequest };

export type OperationResponse =
  | { readonly kind: "range"; readonly response: RangeResponse }
  | { readonly kind: "put"; readonly prevKv?: KeyValue }
  | { readonly kind: "delete"; readonly deleted: number; readonly prevKvs: readonly KeyValue[] }
  | { readonly kind: "txn"; readonly response: TxnResponse };

/** All comparisons hold: `success` runs, else `failure`; in order, as one revision. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure: readonly Operation[];
}

export interface TxnResponse {
  readonly revision: Revision;
  readonly succeeded: boolean;
  readonly responses: readonly OperationResponse[];
}

export type StoreEvent = {
  readonly type: "put" | "delete";
  /** For a delete: key and modRevision only, value empty. */
  readonly kv: KeyValue;
  /** The pair before the event; present when the watch asked for it and there was one. */
  readonly prevKv?: KeyValue;
};

export interface WatchRequest {
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array;
  /** First revision to deliver. Absent or 0: from the next write on. */
  readonly startRevision?: number;
  readonly prevKv?: boolean;
  /** Also call `onProgress` about every `progressIntervalMs` when idle and synced. */
  readonly progressNotify?: boolean;
}

/** Callbacks run synchronously, in order; all events of one revision arrive in one call. */
export interface WatchSink {
  /** The watch exists; `revision` is the store's at that moment. First call. */
  onCreated?(revision: Revision): void;
  /** One or more whole revisions. `revision`: every event up to and including it was delivered. */
  onEvents(events: readonly StoreEvent[], revision: Revision): void;
  /** Every event of this watch up to `revision` was delivered. Never sent early. */
  onProgress?(revision: Revision): void;
  /** The last call. `Compacted` carries `compactRevision`; a lost connection is `Unavailable`: watch again from the last revision + 1. */
  onClose(error: StoreError | null): void;
  /** True while whatever takes the events is full: the watch then waits and catches up from history, delaying nobody. */
  congested?(): boolean;
}

export interface Watch {
  cancel(): void;
  /** Asks for one `onProgress` as soon as the watch is synced. */
  requestProgress(): void;
}

export interface LeaseGrantResponse {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
}

export interface StoreStatus {
  readonly memberId: string;
  /** "" while there is none. */
  readonly leaderId: string;
  readonly term: number;
  readonly revision: Revision;
  readonly compactRevision: number;
  readonly appliedIndex: number;
  readonly commitIndex: number;
  readonly databaseBytes: number;
  readonly isLearner: boolean;
}

/**
 * The one door to the replicated store. Three implementations: local (in memory, one process), remote (our frames), etcd.
 * Every call may reject with {@linkcode StoreError}.
 */
export interface Store {
  range(request: RangeRequest): Promise<RangeResponse>;
  txn(request: TxnRequest): Promise<TxnResponse>;
  watch(request: WatchRequest, sink: WatchSink): Watch;
  /** @param id 0n: the store chooses */
  leaseGrant(ttlSeconds: number, id?: LeaseId): Promise<LeaseGrantResponse>;
  leaseRevoke(id: LeaseId): Promise<void>;
  /** Answers the TTL it was renewed to. */
  leaseKeepAlive(id: LeaseId): Promise<number>;
  /** Forgets revisions < `revision` that no key's current value needs. */
  compact(revision: number): Promise<void>;
  status(): Promise<StoreStatus>;
  close(): void;
}

/** The closed set. `Overloaded` means refused untried, too much is in flight; `Unavailable` means the outcome of a write is unknown (sent, not answered); `NoLeader` that it was not sent. */
export type StoreErrorCode =
  | "Compacted"
  | "FutureRevision"
  | "NotLeader"
  | "NoLeader"
  | "LeaseNotFound"
  | "LeaseExists"
  | "TooLarge"
  | "TooManyOperations"
  | "DuplicateKey"
  | "KeyNotFound"
  | "NoSpace"
  | "Corrupt"
  | "Unavailable"
  | "Overloaded"
  | "InvalidArgument";

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;
  /** With `Compacted`: the oldest revision that can still be read. */
  readonly compactRevision: number | undefined;
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions & { compactRevision?: number }) {
    super(message, options);
    this.code = code;
    this.compactRevision = options?.compactRevision;
  }
}
