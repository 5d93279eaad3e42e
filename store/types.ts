import type { Brand } from "../base/brand.ts";
import type { TraceContext } from "../base/trace_context.ts";

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
  /** Pairs outside these bounds (inclusive; 0 or absent: none) are left out of `kvs`; `count` still counts them, as in etcd. */
  readonly minModRevision?: number;
  readonly maxModRevision?: number;
  readonly minCreateRevision?: number;
  readonly maxCreateRevision?: number;
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
  /** Leave out puts, or deletes (etcd: filters). */
  readonly noPut?: boolean;
  readonly noDelete?: boolean;
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

export interface LeaseTimeToLive {
  readonly id: LeaseId;
  /** Whole seconds left; -1: there is no such lease. */
  readonly ttlSeconds: number;
  /** What it was granted; 0 when there is no such lease. */
  readonly grantedTtlSeconds: number;
  /** Attached keys in byte order; empty unless asked for. */
  readonly keys: readonly Uint8Array[];
}

/** `NoSpace`: nothing more may be put. `Corrupt`: members' data differ, nothing is served. */
export type AlarmKind = "NoSpace" | "Corrupt";

export interface Alarm {
  readonly memberId: string;
  readonly kind: AlarmKind;
}

export type AlarmRequest =
  | { readonly action: "list" }
  | { readonly action: "activate" | "disarm"; readonly memberId: string; readonly kind: AlarmKind };

export interface HashKvResponse {
  /** CRC-32C over every kept version up to `hashRevision`: equal on members with the same `compactRevision`. */
  readonly hash: number;
  readonly hashRevision: number;
  readonly compactRevision: number;
  readonly revision: Revision;
}

/** A member of the cluster. It is known by its id; where it listens may change at every start. */
export interface ClusterMember {
  readonly id: string;
  readonly peerAddress: string;
  /** "" until the member has said so. */
  readonly clientAddress: string;
  /** Receives the log, does not vote. */
  readonly isLearner: boolean;
}

export interface MemberAddRequest {
  /** "" or absent: the cluster chooses one. The new process is started with it. */
  readonly id?: string;
  readonly peerAddress: string;
  readonly clientAddress?: string;
  readonly isLearner?: boolean;
}

/** Changes of who belongs to the cluster, one at a time, each committed by the log (etcd's Cluster service). */
export interface Membership {
  list(): Promise<readonly ClusterMember[]>;
  /** @throws StoreError MemberExists, PeerAddressExists, TooManyLearners, NotEnoughStarted */
  add(request: MemberAddRequest): Promise<ClusterMember>;
  /** @throws StoreError MemberNotFound, NotEnoughStarted */
  remove(id: string): Promise<void>;
  /** Makes a learner a voter. @throws StoreError MemberNotFound, NotLearner, LearnerNotReady */
  promote(id: string): Promise<void>;
  /** @throws StoreError MemberNotFound, PeerAddressExists */
  update(id: string, addresses: { readonly peerAddress: string; readonly clientAddress?: string }): Promise<void>;
  /** Hands leadership to a voter. @throws StoreError BadTransferee, Unavailable when it takes too long */
  moveLeader(id: string): Promise<void>;
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
  /** Keys, values and bookkeeping of every kept version: what the quota bounds. */
  readonly databaseBytes: number;
  /** Those, and what is held in files for versions that were compacted away, until the files are given back. */
  readonly allocatedBytes: number;
  /** Null: none. */
  readonly quotaBytes: number | null;
  readonly isLearner: boolean;
}

/**
 * The one door to the replicated store. Three implementations: local (in memory, one process), remote (our frames), etcd.
 * Every call may reject with {@linkcode StoreError}.
 */
export interface Store {
  range(request: RangeRequest): Promise<RangeResponse>;
  /** @param trace the caller's span: whoever proposes the transaction writes one that is a child of it */
  txn(request: TxnRequest, trace?: TraceContext): Promise<TxnResponse>;
  watch(request: WatchRequest, sink: WatchSink): Watch;
  /** @param id 0n: the store chooses */
  leaseGrant(ttlSeconds: number, id?: LeaseId): Promise<LeaseGrantResponse>;
  leaseRevoke(id: LeaseId): Promise<void>;
  /** Answers the TTL it was renewed to. */
  leaseKeepAlive(id: LeaseId): Promise<number>;
  leaseTimeToLive(id: LeaseId, options?: { readonly keys?: boolean }): Promise<LeaseTimeToLive>;
  /** Ids in ascending order. */
  leases(): Promise<readonly LeaseId[]>;
  /** Forgets revisions < `revision` that no key's current value needs. */
  compact(revision: number): Promise<void>;
  status(): Promise<StoreStatus>;
  /** The member that answers gives back what compaction has freed and it still holds, beside its other work. */
  defragment(): Promise<void>;
  /** Of the member that answers. @param revision 0 or absent: the current one @throws StoreError Compacted, FutureRevision */
  hashKv(revision?: number): Promise<HashKvResponse>;
  /** Answers the alarms: all of them for `list`, those that changed otherwise. */
  alarm(request: AlarmRequest): Promise<readonly Alarm[]>;
  readonly membership: Membership;
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
  | "InvalidArgument"
  | "MemberNotFound"
  | "MemberExists"
  | "PeerAddressExists"
  | "NotEnoughStarted"
  | "NotLearner"
  | "LearnerNotReady"
  | "TooManyLearners"
  | "BadTransferee"
  | "NotSupportedForLearner";

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
