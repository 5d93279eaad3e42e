import type { KubeObject } from "../api/meta.ts";
import type { ResourceInfo } from "../api/resources.ts";

/**
 * One HTTP exchange with some apiserver. `path` starts with `/` and includes the query. Rejects when no answer came
 * from any apiserver. An in-process apiserver is passed in as such a function, never imported.
 */
export type Transport = (
  path: string,
  init: {
    method: string;
    headers: Record<string, string>;
    body?: Uint8Array;
    signal?: AbortSignal;
    /** The answer's body is long-lived (a watch): it gets no time limit and a connection of its own. */
    stream?: boolean;
  },
) => Promise<Response>;

export type PatchType = "json" | "merge" | "strategic";

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan";
  readonly limit?: number;
  readonly continue?: string;
}

export interface WatchOptions extends ListOptions {
  readonly allowWatchBookmarks?: boolean;
  /** KEP-3157: all objects as ADDED first, then a bookmark annotated `k8s.io/initial-events-end`. */
  readonly sendInitialEvents?: boolean;
  readonly timeoutSeconds?: number;
  /** How long the server may keep changes to send them together (`Prefer: gather=MS`; upstream's ignores it). */
  readonly gatherMs?: number;
  readonly signal?: AbortSignal;
}

export type WatchChange<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly object: T }
  | { readonly type: "ERROR"; readonly object: { code?: number; reason?: string; message?: string } };

export interface ObjectList<T> {
  readonly items: T[];
  readonly metadata: { resourceVersion?: string; continue?: string };
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  readonly preconditions?: { uid?: string; resourceVersion?: string };
}

/** A failed call: carries the Status of the answer. */
export interface ApiFailure extends Error {
  readonly code: number;
  readonly reason: string;
  readonly retryAfterSeconds?: number | undefined;
}

/** Typed access by resource. Every call rejects with an `ApiError` (see `client/errors.ts`) when the answer is a Status failure. */
export interface RestClient {
  get<T extends KubeObject>(info: ResourceInfo, name: string, namespace?: string): Promise<T>;
  list<T extends KubeObject>(info: ResourceInfo, options?: ListOptions): Promise<ObjectList<T>>;
  create<T extends KubeObject>(info: ResourceInfo, object: T): Promise<T>;
  /** The object's resourceVersion is the precondition. @param subresource e.g. `status` */
  update<T extends KubeObject>(info: ResourceInfo, object: T, subresource?: string): Promise<T>;
  patch<T extends KubeObject>(
    info: ResourceInfo,
    target: { name: string; namespace?: string; subresource?: string },
    type: PatchType,
    patch: unknown,
  ): Promise<T>;
  delete(info: ResourceInfo, name: string, namespace?: string, options?: DeleteOptions): Promise<void>;
  deleteCollection(info: ResourceInfo, options: ListOptions & DeleteOptions): Promise<void>;
  /** POST pods/NAME/binding. */
  bind(namespace: string, name: string, uid: string, nodeName: string): Promise<void>;
  /** POST to any sub-resource. */
  createSubresource<R>(
    info: ResourceInfo,
    target: { name: string; namespace?: string; subresource: string },
    body: unknown,
  ): Promise<R>;
  watch<T extends KubeObject>(info: ResourceInfo, options: WatchOptions): AsyncIterable<WatchChange<T>>;
  /** Any path, e.g. `/version`. */
  raw(path: string): Promise<Response>;
}

export interface InformerOptions<T> {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Take the first state from the watch itself (KEP-3157) instead of a list; falls back to list where unsupported. */
  readonly watchList?: boolean;
  /** The pace to begin with: {@linkcode Informer.pace}. */
  readonly gatherMs?: number;
  /** Drops what the cache need not hold (managedFields, say). Must not change metadata.name, namespace, uid, resourceVersion. */
  readonly transform?: (object: T) => T;
  /** Named indexes: each object is found under every value it returns. */
  readonly indexers?: Readonly<Record<string, (object: Readonly<T>) => readonly string[]>>;
}

export interface InformerHandlers<T> {
  added?(object: Readonly<T>): void;
  updated?(old: Readonly<T>, object: Readonly<T>): void;
  deleted?(object: Readonly<T>): void;
}

/** A local, read-only copy of a resource, kept by list + watch; level-triggered. Keys are `namespace/name` or `name`. */
export interface Informer<T extends KubeObject> {
  start(): void;
  stop(): void;
  /** Resolves after the first full list was delivered to all handlers. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  get(key: string): Readonly<T> | undefined;
  list(): Readonly<T>[];
  byIndex(index: string, value: string): Readonly<T>[];
  /** Handlers run synchronously, in order. Objects already known are replayed as added. */
  subscribe(handlers: InformerHandlers<T>): void;
  /**
   * From now on the server may keep changes for so many milliseconds and send them together: what is in no hurry costs
   * less. A watch under way goes on where it was, at the new pace.
   */
  pace(gatherMs: number): void;
  /**
   * Resolves when the copy shows all that had happened when this was called, at the latest after
   * `limits.catchUpMs`. Rejects when the server cannot say what had happened.
   */
  caughtUp(): Promise<void>;
  /** The last resourceVersion seen, for "has it seen my own write?" (compare with `atLeast` of `client/mod.ts`). */
  readonly resourceVersion: string;
}
