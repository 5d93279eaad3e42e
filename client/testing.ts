/** Test doubles for rooms that talk to an apiserver: a virtual clock and a small apiserver in memory. Tests only. */
import { Heap } from "../base/heap.ts";
import { prng } from "../base/prng.ts";
import type { KubeObject } from "../api/meta.ts";
import { pods, type ResourceInfo } from "../api/resources.ts";
import { alreadyExists, type ApiError, conflict, expired, notFound } from "../api/status.ts";
import { formatTime } from "../api/time.ts";
import type { Clock, Log, Random, Timers } from "../platform/mod.ts";
import { keyOf } from "./cache.ts";
import type { DeleteOptions, ListOptions, RestClient, WatchChange, WatchOptions } from "./types.ts";

export interface VirtualTime {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Runs what is due in the next `ms`, in order, letting promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Timers that wait. */
  readonly pending: number;
}

/** @param start milliseconds since the epoch */
export function createVirtualTime(start = Date.UTC(2026, 0, 1)): VirtualTime {
  interface Entry {
    at: number;
    id: number;
    fn: (() => void) | null;
  }
  const heap = new Heap<Entry>((a, b) => a.at < b.at || (a.at === b.at && a.id < b.id));
  let now = 0;
  let ids = 0;
  let pending = 0;
  const schedule: Timers["schedule"] = (delayMs, fn) => {
    const entry: Entry = { at: now + Math.max(0, delayMs), id: ids++, fn };
    heap.push(entry);
    pending++;
    return {
      cancel() {
        if (entry.fn !== null) pending--;
        entry.fn = null;
      },
    };
  };
  const timers: Timers = {
    schedule,
    sleep(delayMs, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const onAbort = () => {
          timer.cancel();
          reject(signal?.reason);
        };
        const timer = schedule(delayMs, () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
  return {
    clock: { now: () => start + now, monotonic: () => now },
    timers,
    get pending() {
      return pending;
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = heap.peek();
        if (next === undefined || next.at > end) break;
        heap.pop();
        if (next.fn === null) continue;
        now = Math.max(now, next.at);
        const fn = next.fn;
        next.fn = null;
        pending--;
        fn();
        await settle();
      }
      now = end;
    },
  };
}

/** Lets chains of promises run to where they wait for time or for others. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await Promise.resolve();
}

export function createTestRandom(seed: number): Random {
  const generator = prng(seed);
  return {
    next: () => generator.next(),
    int: (bound) => generator.int(bound),
    bytes: (length) => new Uint8Array(length).map(() => generator.int(256)),
    uuid: () => `00000000-0000-4000-8000-${String(generator.int(2 ** 32)).padStart(12, "0")}`,
  };
}

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => silentLog,
};

interface Recorded {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: KubeObject;
}

export interface FakeApi {
  readonly client: RestClient;
  /** What is stored, in order of creation. */
  objects<T extends KubeObject>(info: ResourceInfo): T[];
  /** Breaks all watches, as the death of an apiserver does. */
  disconnect(): void;
  /** Forgets all history: watches from an older resourceVersion get 410. */
  compact(): void;
  /** Asked before each call; an error returned is the call's outcome. `watch` calls have verb "watch". */
  intercept: (verb: string, info: ResourceInfo, name: string) => ApiError | Error | null;
  /** Sends a bookmark to every watch. */
  bookmark(): void;
  /** Each call: `list pods`, `update leases kube-system/x`. */
  readonly calls: string[];
}

/**
 * Uids, generations, resourceVersions, preconditions, finalizers and watches as the real one has them; no validation, no
 * defaults, merge patches only, selectors only of the forms `metadata.name=`, `spec.nodeName=`.
 */
export function createFakeApi(deps: { clock: Clock }): FakeApi {
  const tables = new Map<string, Map<string, KubeObject>>();
  const history = new Map<string, Recorded[]>();
  const wakers = new Set<(event: "change" | "disconnect" | "bookmark") => void>();
  const calls: string[] = [];
  let version = 1;
  let compacted = 0;
  let uids = 0;

  const tableOf = (info: ResourceInfo) => {
    const table = tables.get(info.type) ?? new Map<string, KubeObject>();
    tables.set(info.type, table);
    return table;
  };
  const record = (info: ResourceInfo, type: Recorded["type"], object: KubeObject) => {
    const list = history.get(info.type) ?? [];
    list.push({ version, type, object: structuredClone(object) });
    history.set(info.type, list);
    for (const wake of [...wakers]) wake("change");
  };
  const enter = (verb: string, info: ResourceInfo, name: string) => {
    calls.push(`${verb} ${info.resource}${name === "" ? "" : ` ${name}`}`);
    const error = api.intercept(verb, info, name);
    if (error !== null) throw error;
  };
  const find = (info: ResourceInfo, key: string) => {
    const object = tableOf(info).get(key);
    if (object === undefined) throw notFound(info, key.slice(key.indexOf("/") + 1));
    return object;
  };
  const write = (info: ResourceInfo, old: KubeObject, next: KubeObject, specChanged: boolean) => {
    const unstamped = (object: KubeObject) =>
      JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: "" } });
    if (unstamped(old) === unstamped(next)) return old;
    version++;
    next.metadata = { ...next.metadata, resourceVersion: String(version) };
    if (specChanged) next.metadata.generation = (old.metadata?.generation ?? 0) + 1;
    const key = keyOf(next);
    if (next.metadata.deletionTimestamp !== undefined && !holds(info, next)) {
      tableOf(info).delete(key);
      record(info, "DELETED", next);
    } else {
      tableOf(info).set(key, next);
      record(info, "MODIFIED", next);
    }
    return next;
  };
  const remove = (info: ResourceInfo, key: string, options: DeleteOptions) => {
    const object = structuredClone(find(info, key));
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (uid !== undefined && uid !== object.metadata?.uid) throw conflict(info, key);
    if (resourceVersion !== undefined && resourceVersion !== object.metadata?.resourceVersion) {
      throw conflict(info, key);
    }
    const finalizers = new Set(object.metadata?.finalizers ?? []);
    if (options.propagationPolicy === "Foreground") finalizers.add("foregroundDeletion");
    if (options.propagationPolicy === "Orphan") finalizers.add("orphan");
    const grace = options.gracePeriodSeconds ?? (info.kind === "Pod" && scheduled(object) ? 30 : 0);
    object.metadata = { ...object.metadata, ...(finalizers.size > 0 ? { finalizers: [...finalizers] } : {}) };
    if (holds(info, object) || grace > 0) {
      object.metadata.deletionTimestamp ??= formatTime(deps.clock.now());
      object.metadata.deletionGracePeriodSeconds = grace;
      write(info, find(info, key), object, false);
      return;
    }
    version++;
    object.metadata.resourceVersion = String(version);
    tableOf(info).delete(key);
    record(info, "DELETED", object);
  };

  // `as T` throughout: the fake returns what the caller stored.
  const client: RestClient = {
    async get<T extends KubeObject>(info: ResourceInfo, name: string, namespace?: string) {
      const key = keyOf({ metadata: { name, ...(namespace === undefined ? {} : { namespace }) } });
      enter("get", info, key);
      return structuredClone(find(info, key)) as T;
    },
    async list<T extends KubeObject>(info: ResourceInfo, options: ListOptions = {}) {
      enter("list", info, "");
      const items = [...tableOf(info).values()].filter((object) => selects(options, object));
      return { items: structuredClone(items) as T[], metadata: { resourceVersion: String(version) } };
    },
    async create<T extends KubeObject>(info: ResourceInfo, object: T) {
      const copy: KubeObject = structuredClone(object);
      const suffix = String(uids + 1).padStart(5, "0");
      copy.metadata = { ...copy.metadata };
      copy.metadata.name ??= `${copy.metadata.generateName ?? ""}${suffix}`;
      const key = keyOf(copy);
      enter("create", info, key);
      if (tableOf(info).has(key)) throw alreadyExists(info, copy.metadata.name);
      version++;
      copy.metadata.uid = `uid-${++uids}`;
      copy.metadata.resourceVersion = String(version);
      copy.metadata.generation = 1;
      copy.metadata.creationTimestamp = formatTime(deps.clock.now());
      tableOf(info).set(key, copy);
      record(info, "ADDED", copy);
      return structuredClone(copy) as T;
    },
    async update<T extends KubeObject>(info: ResourceInfo, object: T, subresource?: string) {
      const key = keyOf(object);
      enter(subresource === undefined ? "update" : `update/${subresource}`, info, key);
      const old = find(info, key);
      const expected = object.metadata?.resourceVersion;
      if (expected !== undefined && expected !== old.metadata?.resourceVersion) throw conflict(info, key);
      const next = subresource === "status"
        ? { ...structuredClone(old), status: structuredClone(fields(object)["status"]) }
        : {
          ...structuredClone(object),
          ...(info.subresources.includes("status") ? { status: fields(old)["status"] } : {}),
        };
      const changed = subresource === undefined &&
        JSON.stringify(fields(old)["spec"]) !== JSON.stringify(fields(next)["spec"]);
      return structuredClone(write(info, old, next, changed)) as T;
    },
    async patch<T extends KubeObject>(
      info: ResourceInfo,
      target: { name: string; namespace?: string; subresource?: string },
      _type: string,
      patch: unknown,
    ) {
      const key = keyOf({ metadata: target });
      enter(target.subresource === undefined ? "patch" : `patch/${target.subresource}`, info, key);
      const old = find(info, key);
      const expected = fields(fields(patch)["metadata"])["resourceVersion"];
      if (expected !== undefined && expected !== old.metadata?.resourceVersion) throw conflict(info, key);
      const next = merge(structuredClone(old), patch) as KubeObject;
      const changed = JSON.stringify(fields(old)["spec"]) !== JSON.stringify(fields(next)["spec"]);
      return structuredClone(write(info, old, next, changed)) as T;
    },
    async delete(info, name, namespace, options = {}) {
      const key = keyOf({ metadata: { name, ...(namespace === undefined ? {} : { namespace }) } });
      enter("delete", info, key);
      remove(info, key, options);
    },
    async deleteCollection(info, options) {
      enter("deletecollection", info, options.namespace ?? "");
      for (const [key, object] of [...tableOf(info)]) if (selects(options, object)) remove(info, key, options);
    },
    async bind(namespace, name, _uid, nodeName) {
      const key = `${namespace}/${name}`;
      const old = find(pods, key);
      const next = merge(structuredClone(old), { spec: { nodeName } }) as KubeObject;
      write(pods, old, next, false);
    },
    createSubresource: () => Promise.reject(new Error("not in the fake")),
    watch: (info, options) => watch(info, options),
    raw: () => Promise.resolve(new Response("ok")),
  };

  async function* watch<T extends KubeObject>(
    info: ResourceInfo,
    options: WatchOptions,
  ): AsyncGenerator<WatchChange<T>> {
    enter("watch", info, options.resourceVersion ?? "");
    let seen = Number(options.resourceVersion ?? "0");
    if (seen < compacted) throw expired(`too old resource version: ${seen} (${compacted})`);
    let broken = false;
    // As the real one: who names a pace hears at once how far it has come.
    let marks = options.gatherMs === undefined ? 0 : 1;
    let wakeUp: () => void = () => {};
    const wake = (event: "change" | "disconnect" | "bookmark") => {
      if (event === "disconnect") broken = true;
      if (event === "bookmark") marks++;
      wakeUp();
    };
    const onAbort = () => wakeUp();
    wakers.add(wake);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      while (!options.signal?.aborted) {
        if (broken) throw new Error("connection reset");
        const next = (history.get(info.type) ?? []).find((each) => each.version > seen);
        if (next !== undefined) {
          seen = next.version;
          if (selects(options, next.object)) yield { type: next.type, object: structuredClone(next.object) as T };
        } else if (marks > 0) {
          marks--;
          seen = Math.max(seen, version);
          yield { type: "BOOKMARK", object: { metadata: { resourceVersion: String(seen) } } as T };
        } else await new Promise<void>((resolve) => wakeUp = resolve);
      }
    } finally {
      wakers.delete(wake);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  const api: FakeApi = {
    client,
    calls,
    intercept: () => null,
    objects: <T extends KubeObject>(info: ResourceInfo) => structuredClone([...tableOf(info).values()]) as T[],
    disconnect: () => [...wakers].forEach((wake) => wake("disconnect")),
    bookmark: () => [...wakers].forEach((wake) => wake("bookmark")),
    compact() {
      compacted = version;
      history.clear();
    },
  };
  return api;
}

function scheduled(object: KubeObject): boolean {
  return typeof fields(fields(object)["spec"])["nodeName"] === "string";
}

/** Whether something keeps a deleted object: finalizers, or a Namespace's own. */
function holds(info: ResourceInfo, object: KubeObject): boolean {
  if ((object.metadata?.finalizers ?? []).length > 0) return true;
  if (info.kind === "Namespace") {
    const own = fields(fields(object)["spec"])["finalizers"];
    return Array.isArray(own) && own.length > 0;
  }
  return info.kind === "Pod" && object.metadata?.deletionTimestamp !== undefined &&
    (object.metadata.deletionGracePeriodSeconds ?? 0) > 0;
}

function selects(options: ListOptions, object: KubeObject): boolean {
  if (options.namespace !== undefined && options.namespace !== object.metadata?.namespace) return false;
  const [path, value] = (options.fieldSelector ?? "").split("=");
  if (path === "metadata.name" && object.metadata?.name !== value) return false;
  if (path === "spec.nodeName" && fields(fields(object)["spec"])["nodeName"] !== value) return false;
  return true;
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...fields(target) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}
