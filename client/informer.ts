import { invariant } from "../base/assert.ts";
import type { KubeObject } from "../api/meta.ts";
import type { ResourceInfo } from "../api/resources.ts";
import type { Clock, Log, Random, Timers } from "../platform/mod.ts";
import { keyOf, ObjectCache } from "./cache.ts";
import { ApiError, errorFromBody, isExpired } from "./errors.ts";
import { atLeast } from "./resource_version.ts";
import * as limits from "./limits.ts";
import type { Informer, InformerHandlers, InformerOptions, RestClient, WatchChange } from "./types.ts";

export interface InformerDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Pick<Random, "next" | "int">;
  readonly log: Log;
}

/**
 * A local copy of `info`'s objects, kept by list + watch. A watch that ends is resumed at the last resourceVersion, on
 * whichever apiserver the client reaches; 410 means list again, and what vanished meanwhile is reported as deleted.
 * Level-triggered: handlers learn every last state, not every state.
 */
export function createInformer<T extends KubeObject>(
  client: RestClient,
  info: ResourceInfo,
  options: InformerOptions<T>,
  deps: InformerDeps,
): Informer<T> {
  return new Reflector(client, info, options, deps);
}

class Reflector<T extends KubeObject> implements Informer<T> {
  readonly synced: Promise<void>;
  readonly #client: RestClient;
  readonly #info: ResourceInfo;
  readonly #options: InformerOptions<T>;
  readonly #deps: InformerDeps;
  readonly #cache: ObjectCache<T>;
  readonly #handlers: InformerHandlers<T>[] = [];
  readonly #stop = new AbortController();
  readonly #resolveSynced: () => void;
  #started = false;
  #hasSynced = false;
  #resourceVersion = "";
  /** The next attempt begins with a list. */
  #listNext = true;
  #watchList: boolean;
  #failures = 0;
  #gatherMs: number | undefined;
  /** Ends the watch under way, so that it is opened again. */
  #reopen = new AbortController();
  readonly #waiting = new Set<{ readonly version: string; readonly resolve: () => void }>();

  constructor(client: RestClient, info: ResourceInfo, options: InformerOptions<T>, deps: InformerDeps) {
    this.#client = client;
    this.#info = info;
    this.#options = options;
    this.#deps = deps;
    this.#cache = new ObjectCache<T>(options.indexers ?? {});
    this.#watchList = options.watchList ?? false;
    this.#gatherMs = options.gatherMs;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    this.#resolveSynced = resolve;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  get(key: string): Readonly<T> | undefined {
    return this.#cache.get(key);
  }

  list(): Readonly<T>[] {
    return this.#cache.list();
  }

  byIndex(index: string, value: string): Readonly<T>[] {
    invariant(
      this.#options.indexers?.[index] !== undefined,
      `Informer of ${this.#info.resource} has no index ${index}`,
    );
    return this.#cache.byIndex(index, value);
  }

  subscribe(handlers: InformerHandlers<T>): void {
    this.#handlers.push(handlers);
    for (const object of this.#cache.list()) this.#call(() => handlers.added?.(object));
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run();
  }

  stop(): void {
    this.#stop.abort();
    this.#reopen.abort();
    for (const { resolve } of this.#waiting) resolve();
  }

  pace(gatherMs: number): void {
    if (gatherMs === this.#gatherMs) return;
    this.#gatherMs = gatherMs;
    // Before the first state is there, the watch that brings it must not be cut short: the next one has the new pace.
    if (this.#hasSynced) this.#reopen.abort();
  }

  async caughtUp(): Promise<void> {
    await Promise.race([this.synced, aborted(this.#stop.signal)]);
    const { metadata } = await this.#client.list<T>(this.#info, { ...this.#selection(), limit: 1 });
    const version = metadata.resourceVersion ?? "";
    if (atLeast(this.#resourceVersion, version) || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const waiter = {
        version,
        resolve: () => {
          this.#waiting.delete(waiter);
          timer.cancel();
          resolve();
        },
      };
      const timer = this.#deps.timers.schedule(limits.catchUpMs, waiter.resolve);
      this.#waiting.add(waiter);
    });
  }

  #selection(): { namespace?: string; labelSelector?: string; fieldSelector?: string } {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }

  /** Every change up to `version` is in the cache; who waits for it goes on after the handlers. */
  #reached(version: string | undefined): void {
    if (version === undefined) return;
    this.#resourceVersion = version;
    for (const waiter of this.#waiting) if (atLeast(version, waiter.version)) waiter.resolve();
  }

  async #run(): Promise<void> {
    const { clock, log, timers, random } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      let delayMs = 0;
      try {
        if (this.#listNext && !this.#watchList) await this.#list();
        const reopened = await this.#watch();
        if (reopened) continue;
        const brief = clock.monotonic() - startedAt < limits.briefWatchMs;
        delayMs = brief ? this.#afterFailure(new WatchEndedEarly()) : random.next() * limits.rewatchJitterMs;
      } catch (error) {
        if (signal.aborted) return;
        if (clock.monotonic() - startedAt > limits.reflectorBackoffResetMs) this.#failures = 0;
        delayMs = this.#afterFailure(error);
        log.debug("watch failed", { resource: this.#info.resource, delayMs, error: String(error) });
      }
      try {
        await timers.sleep(delayMs, signal);
      } catch {
        return;
      }
    }
  }

  /** Notes what the failure asks for; returns milliseconds to wait. */
  #afterFailure(error: unknown): number {
    this.#failures++;
    if (isExpired(error)) {
      this.#listNext = true;
      // The first time at once: an expired revision is an ordinary event, a second one right after it is not.
      if (this.#failures === 1) return 0;
    } else if (this.#watchList && this.#listNext && error instanceof ApiError && error.code < 429) {
      // The server does not know sendInitialEvents: list instead, from now on.
      this.#watchList = false;
      return 0;
    }
    const backoff = Math.min(limits.reflectorBackoffBaseMs * 2 ** (this.#failures - 1), limits.reflectorBackoffMaxMs);
    return backoff * (0.5 + this.#deps.random.next());
  }

  async #list(): Promise<void> {
    // No resourceVersion: a consistent read. "0" would allow an apiserver that lags to take us back in time.
    const list = await this.#client.list<T>(this.#info, this.#selection());
    if (this.#stop.signal.aborted) return;
    this.#replace(list.items, list.metadata.resourceVersion ?? "");
  }

  /** Returns when the server ended the watch in order, or true for one to be opened again; throws on every other end. */
  async #watch(): Promise<boolean> {
    if (this.#reopen.signal.aborted) this.#reopen = new AbortController();
    // Stopped meanwhile: the new one must not outlive that.
    if (this.#stop.signal.aborted) this.#reopen.abort();
    const { signal } = this.#reopen;
    const initial = this.#listNext ? new Map<string, T>() : null;
    const seconds = limits.watchTimeoutSecondsMin;
    const changes = this.#client.watch<T>(this.#info, {
      ...this.#selection(),
      ...(this.#gatherMs === undefined ? {} : { gatherMs: this.#gatherMs }),
      ...(initial === null
        ? { resourceVersion: this.#resourceVersion }
        : { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }),
      allowWatchBookmarks: true,
      timeoutSeconds: seconds + this.#deps.random.int(seconds),
      signal,
    });
    let collecting = initial;
    for await (const change of changes) {
      if (this.#stop.signal.aborted) return true;
      if (change.type === "ERROR") throw errorFromBody(change.object.code ?? 500, { ...change.object, kind: "Status" });
      if (collecting === null) this.#apply(change);
      else if (collect(collecting, change)) {
        this.#replace([...collecting.values()], change.object.metadata?.resourceVersion ?? "");
        collecting = null;
      }
    }
    return signal.aborted;
  }

  #apply(change: Exclude<WatchChange<T>, { type: "ERROR" }>): void {
    this.#failures = 0;
    const version = change.object.metadata?.resourceVersion;
    if (change.type === "BOOKMARK") {
      this.#reached(version);
      return;
    }
    const key = keyOf(change.object);
    const object = this.#transform(change.object);
    if (change.type === "DELETED") {
      const old = this.#cache.delete(key);
      this.#reached(version);
      if (old !== undefined) this.#notify((handlers) => handlers.deleted?.(object));
      return;
    }
    const notify = this.#put(key, object);
    this.#reached(version);
    for (const each of notify) this.#notify(each);
  }

  /** Takes a full state: all of the cache is brought up to date first, then handlers hear of the differences. */
  #replace(items: readonly T[], resourceVersion: string): void {
    const gone = new Set(this.#cache.keys());
    const notifications: ((handlers: InformerHandlers<T>) => void)[] = [];
    const puts: ((handlers: InformerHandlers<T>) => void)[] = [];
    for (const item of items) {
      const key = keyOf(item);
      gone.delete(key);
      const old = this.#cache.get(key);
      const same = old !== undefined && old.metadata?.uid === item.metadata?.uid &&
        old.metadata?.resourceVersion === item.metadata?.resourceVersion;
      if (!same) puts.push(...this.#put(key, this.#transform(item)));
    }
    for (const key of gone) {
      const old = this.#cache.delete(key);
      if (old !== undefined) notifications.push((handlers) => handlers.deleted?.(old));
    }
    notifications.push(...puts);
    this.#reached(resourceVersion);
    this.#listNext = false;
    for (const each of notifications) this.#notify(each);
    if (!this.#hasSynced) {
      this.#hasSynced = true;
      this.#resolveSynced();
    }
  }

  /** Stores `object`; returns what handlers are to hear. Another uid under the same name is another object. */
  #put(key: string, object: T): ((handlers: InformerHandlers<T>) => void)[] {
    const old = this.#cache.get(key);
    this.#cache.set(key, object);
    if (old === undefined) return [(handlers) => handlers.added?.(object)];
    if (old.metadata?.uid === object.metadata?.uid) return [(handlers) => handlers.updated?.(old, object)];
    return [(handlers) => handlers.deleted?.(old), (handlers) => handlers.added?.(object)];
  }

  #transform(object: T): T {
    return this.#options.transform === undefined ? object : this.#options.transform(object);
  }

  #notify(call: (handlers: InformerHandlers<T>) => void): void {
    for (const handlers of this.#handlers) this.#call(() => call(handlers));
  }

  /** A handler that throws is a bug of ours; it must crash the component, not look like a failed watch. */
  #call(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** A server that ends each watch as soon as it was opened must not be asked in a tight loop. */
class WatchEndedEarly extends Error {
  override readonly name = "WatchEndedEarly";
}

/** Adds an initial change to the state; true at the bookmark that ends it. */
function collect<T extends KubeObject>(
  state: Map<string, T>,
  change: Exclude<WatchChange<T>, { type: "ERROR" }>,
): boolean {
  if (change.type === "BOOKMARK") return change.object.metadata?.annotations?.["k8s.io/initial-events-end"] === "true";
  if (change.type === "DELETED") state.delete(keyOf(change.object));
  else state.set(keyOf(change.object), change.object);
  return false;
}
