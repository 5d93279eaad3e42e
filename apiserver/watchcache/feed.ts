import { fromUtf8, prefixEnd, utf8 } from "../../base/bytes.ts";
import type { Log, Random, Timer, Timers } from "../../platform/mod.ts";
import { type Store, StoreError, type StoreEvent, type Watch } from "../../store/types.ts";
import { limits } from "../limits.ts";
import type { ResourceCache } from "./resource_cache.ts";

export const registryPrefix = "/registry/";

const nowhere: readonly ResourceCache[] = [];

interface PendingChange {
  readonly key: string;
  readonly event: StoreEvent;
}

interface Waiter {
  readonly revision: number;
  readonly resolve: (reached: boolean) => void;
  readonly timer: Timer;
}

/**
 * The one store watch of an apiserver. Loads everything under `/registry/` as of one revision, then feeds every cache
 * from a single watch, resumed at the next revision whenever a store member goes away; watchers never notice.
 */
export class StoreFeed {
  readonly #store: Store;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #log: Log;
  readonly #bySegment = new Map<string, ResourceCache[]>();
  readonly #caches = new Set<ResourceCache>();
  /** Caches that were added and are not loaded yet, with the changes that came meanwhile. */
  readonly #adding = new Map<ResourceCache, PendingChange[]>();
  #revision = 0;
  #loaded = false;
  #watch: Watch | null = null;
  /** Tells callbacks of an abandoned watch from those of the present one. */
  #attempt = 0;
  #pauseMs: number = limits.rewatchBaseMs;
  #retry: Timer | null = null;
  #poll: Timer | null = null;
  #waiters: Waiter[] = [];
  #stopped = false;
  #onLoaded: () => void = () => {};
  readonly #firstLoad: Promise<void>;

  constructor(
    caches: readonly ResourceCache[],
    deps: { store: Store; timers: Timers; random: Random; log: Log },
  ) {
    for (const cache of caches) this.#connect(cache);
    this.#store = deps.store;
    this.#timers = deps.timers;
    this.#random = deps.random;
    this.#log = deps.log;
    this.#firstLoad = new Promise((resolve) => this.#onLoaded = resolve);
  }

  /** Resolves when the caches hold the store's state as of now. */
  async start(): Promise<void> {
    this.#reload();
    await this.#firstLoad;
  }

  /** Every change up to this revision is in the caches. */
  get revision(): number {
    return this.#revision;
  }

  get synced(): boolean {
    return this.#loaded && this.#watch !== null;
  }

  /** False when the caches did not reach `revision` in time. */
  waitUntil(revision: number, timeoutMs: number): Promise<boolean> {
    if (this.#loaded && this.#revision >= revision) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        revision,
        resolve,
        timer: this.#timers.schedule(timeoutMs, () => {
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          resolve(false);
        }),
      };
      this.#waiters.push(waiter);
      this.#askProgress();
    });
  }

  /**
   * Feeds one more cache; resolves when it holds the store's state, and the feed has come as far. Several caches may
   * hold the same keys, each in its own form.
   */
  async add(cache: ResourceCache): Promise<void> {
    const pending: PendingChange[] = [];
    this.#connect(cache);
    this.#adding.set(cache, pending);
    let pauseMs: number = limits.rewatchBaseMs;
    // A reload loads every cache there is, this one too.
    while (this.#adding.get(cache) === pending && !this.#stopped) {
      try {
        const revision = await this.#loadOne(cache);
        if (this.#adding.get(cache) === pending) {
          this.#adding.delete(cache);
          for (const { key, event } of pending) cache.apply(key, event);
        }
        while (!this.#stopped && !(await this.waitUntil(revision, limits.cacheWaitMs)));
        return;
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        this.#log.warn("Cannot load the cache of a resource", { prefix: cache.resource.prefix, error: error.message });
        await this.#timers.sleep(pauseMs);
        pauseMs = Math.min(pauseMs * 2, limits.rewatchMaxMs);
      }
    }
  }

  /** Ends the cache's watches and forgets it. */
  remove(cache: ResourceCache): void {
    this.#caches.delete(cache);
    this.#adding.delete(cache);
    const segment = segmentOf(cache.resource.prefix);
    const left = this.#bySegment.get(segment)?.filter((other) => other !== cache) ?? [];
    if (left.length === 0) this.#bySegment.delete(segment);
    else this.#bySegment.set(segment, left);
    cache.reset(this.#revision);
  }

  #connect(cache: ResourceCache): void {
    this.#caches.add(cache);
    const segment = segmentOf(cache.resource.prefix);
    this.#bySegment.set(segment, [...this.#bySegment.get(segment) ?? [], cache]);
  }

  async #loadOne(cache: ResourceCache): Promise<number> {
    let key = utf8(cache.resource.prefix);
    const rangeEnd = prefixEnd(key);
    let revision = 0;
    for (;;) {
      const at = revision > 0 ? { revision } : {};
      const page = await this.#store.range({ key, rangeEnd, limit: limits.rangePageKeys, ...at });
      if (!this.#adding.has(cache)) return page.revision;
      if (revision === 0) cache.reset(revision = page.revision);
      for (const kv of page.kvs) {
        const name = fromUtf8(kv.key);
        this.#tolerate(name, () => cache.load(name, kv.value, kv.modRevision));
      }
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return revision;
      key = new Uint8Array([...last.key, 0]);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#attempt++;
    this.#watch?.cancel();
    this.#watch = null;
    this.#retry?.cancel();
    this.#poll?.cancel();
    for (const waiter of this.#waiters) {
      waiter.timer.cancel();
      waiter.resolve(false);
    }
    this.#waiters = [];
  }

  #reload(): void {
    const attempt = ++this.#attempt;
    this.#loaded = false;
    this.#load(attempt).then((revision) => {
      if (attempt !== this.#attempt) return;
      this.#revision = revision;
      this.#loaded = true;
      this.#open();
      this.#advance(revision);
      this.#onLoaded();
    }, (error: unknown) => {
      if (attempt !== this.#attempt) return;
      this.#log.warn("Cannot load the watch cache", { error: String(error) });
      this.#again(() => this.#reload());
    });
  }

  /** Loads some way back of the present, so that the watch that follows fills the rings with history. */
  async #load(attempt: number): Promise<number> {
    const status = await this.#store.status();
    const back = Math.max(status.compactRevision, status.revision - limits.ringRevisions, 1);
    try {
      return await this.#loadAt(attempt, back);
    } catch (error) {
      if (!(error instanceof StoreError) || (error.code !== "Compacted" && error.code !== "FutureRevision")) {
        throw error;
      }
      return await this.#loadAt(attempt, 0);
    }
  }

  async #loadAt(attempt: number, at: number): Promise<number> {
    let revision = at;
    let key = utf8(registryPrefix);
    const rangeEnd = prefixEnd(key);
    let first = true;
    for (;;) {
      const page = await this.#store.range({
        key,
        rangeEnd,
        limit: limits.rangePageKeys,
        ...(revision > 0 ? { revision } : {}),
      });
      if (attempt !== this.#attempt) return revision;
      if (revision === 0) revision = page.revision;
      if (first) {
        this.#adding.clear();
        for (const cache of this.#caches) cache.reset(revision);
      }
      first = false;
      for (const kv of page.kvs) {
        const name = fromUtf8(kv.key);
        for (const cache of this.#route(name)) {
          this.#tolerate(name, () => cache.load(name, kv.value, kv.modRevision));
        }
      }
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return revision;
      key = new Uint8Array([...last.key, 0]);
    }
  }

  #open(): void {
    const attempt = ++this.#attempt;
    const key = utf8(registryPrefix);
    this.#watch = this.#store.watch(
      { key, rangeEnd: prefixEnd(key), startRevision: this.#revision + 1, progressNotify: true },
      {
        onCreated: () => {
          if (attempt !== this.#attempt) return;
          this.#pauseMs = limits.rewatchBaseMs;
          if (this.#waiters.length > 0) this.#askProgress();
        },
        onEvents: (events, revision) => {
          if (attempt === this.#attempt) this.#apply(events, revision);
        },
        onProgress: (revision) => {
          if (attempt === this.#attempt) this.#advance(revision);
        },
        onClose: (error) => {
          if (attempt === this.#attempt) this.#lost(error);
        },
      },
    );
    // A watch may fail before `watch` has returned it.
    if (attempt !== this.#attempt) this.#watch = null;
  }

  #lost(error: StoreError | null): void {
    this.#attempt++;
    this.#watch = null;
    if (this.#stopped) return;
    if (error?.code === "Compacted") {
      this.#log.warn("The store has compacted past the watch cache: loading anew", { revision: this.#revision });
      this.#reload();
      return;
    }
    this.#log.info("The store watch ended: resuming", { revision: this.#revision, error: error?.message ?? "" });
    this.#again(() => this.#open());
  }

  #again(fn: () => void): void {
    if (this.#stopped) return;
    this.#retry?.cancel();
    this.#retry = this.#timers.schedule(this.#pauseMs * (0.5 + this.#random.next() / 2), fn);
    this.#pauseMs = Math.min(this.#pauseMs * 2, limits.rewatchMaxMs);
  }

  #apply(events: readonly StoreEvent[], revision: number): void {
    for (const event of events) {
      // A resumed watch may repeat nothing, but a broken peer could: a change is applied once.
      if (event.kv.modRevision <= this.#revision) continue;
      const key = fromUtf8(event.kv.key);
      for (const cache of this.#route(key)) {
        const pending = this.#adding.get(cache);
        if (pending === undefined) this.#tolerate(key, () => cache.apply(key, event));
        else pending.push({ key, event });
      }
    }
    this.#advance(revision);
  }

  /** One value that is no object, put there past the API, must not cost everyone their watches: it is left out. */
  #tolerate(key: string, fn: () => void): void {
    try {
      fn();
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
      this.#log.error("A stored value cannot be read as an object", { key, error: String(error) });
    }
  }

  #advance(revision: number): void {
    if (revision > this.#revision) this.#revision = revision;
    if (this.#waiters.length === 0) return;
    const waiting: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.revision > this.#revision) {
        waiting.push(waiter);
        continue;
      }
      waiter.timer.cancel();
      waiter.resolve(true);
    }
    this.#waiters = waiting;
    if (waiting.length === 0) {
      this.#poll?.cancel();
      this.#poll = null;
    }
  }

  /** Revisions written outside `/registry/` bring no event: only the store can say that nothing is missing. */
  #askProgress(): void {
    if (this.#poll !== null || this.#stopped) return;
    this.#watch?.requestProgress();
    if (this.#waiters.length === 0) return;
    this.#poll = this.#timers.schedule(limits.progressPollMs, () => {
      this.#poll = null;
      if (this.#waiters.length > 0) this.#askProgress();
    });
  }

  /** Services and Endpoints share a first segment, as do the custom resources of one group and their versions. */
  #route(key: string): readonly ResourceCache[] {
    const sharing = this.#bySegment.get(segmentOf(key));
    if (sharing === undefined) return nowhere;
    const only = sharing[0];
    if (sharing.length === 1 && only !== undefined && key.startsWith(only.resource.prefix)) return sharing;
    return sharing.filter((cache) => key.startsWith(cache.resource.prefix));
  }
}

/** The part of a key between `/registry/` and the next slash. */
function segmentOf(key: string): string {
  const end = key.indexOf("/", registryPrefix.length);
  return key.slice(registryPrefix.length, end < 0 ? undefined : end);
}
