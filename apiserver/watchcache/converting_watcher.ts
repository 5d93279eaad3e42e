import { ApiError, internal } from "../../api/status.ts";
import { limits } from "../limits.ts";
import type { CachedObject, StoredResource } from "./cached.ts";
import type { Change } from "./change.ts";
import type { Conversion } from "./conversion.ts";
import type { Subscriber } from "./resource_cache.ts";
import { Watcher, type WatcherOptions } from "./watcher.ts";

export interface ConvertingOptions extends WatcherOptions {
  readonly resource: StoredResource;
  readonly conversion: Conversion;
  /** The last frame of a watch whose objects cannot be converted. */
  readonly error: (error: ApiError) => Uint8Array<ArrayBuffer>;
}

/**
 * A watcher before which every object is converted, in order: what comes while a conversion is under way waits for it.
 * A conversion that fails ends the watch with its error. Invariant: at most one step runs at a time.
 */
export class ConvertingWatcher implements Subscriber {
  readonly trigger: string | null;
  /** The initial objects are converted. @throws ApiError */
  readonly ready: Promise<void>;
  readonly #options: ConvertingOptions;
  #inner: Watcher | null = null;
  #waiting = 0;
  #ended = false;
  #tail: Promise<void>;

  constructor(options: ConvertingOptions) {
    this.#options = options;
    this.trigger = options.trigger;
    this.ready = this.#start();
    this.#tail = this.ready.catch(() => {});
  }

  /** @throws TypeError before `ready` */
  get body(): Watcher["body"] {
    if (this.#inner === null) throw new TypeError("the watch has not begun");
    return this.#inner.body;
  }

  get ended(): boolean {
    return this.#ended || this.#inner?.ended === true;
  }

  offer(change: Change): void {
    if (change.revision <= this.#options.after) return;
    this.#queue(async (inner) => {
      const { conversion, resource } = this.#options;
      inner.offer(await conversion.change(resource, change));
    });
  }

  bookmark(revision: number): void {
    if (this.#options.bookmark !== null) this.#queue((inner) => inner.bookmark(revision));
  }

  end(): void {
    this.#queue((inner) => inner.end());
  }

  async #start(): Promise<void> {
    const { initial, conversion, resource, matches } = this.#options;
    try {
      const served: readonly CachedObject[] = await conversion.objects(resource, initial);
      if (!this.#ended) this.#inner = new Watcher({ ...this.#options, initial: served.filter(matches) });
    } catch (error) {
      this.#finish();
      throw error;
    }
  }

  #queue(step: (inner: Watcher) => void | Promise<void>): void {
    if (this.ended) return;
    if (++this.#waiting > limits.watcherPendingEvents) {
      // Too slow: the client resumes from what it saw.
      this.#ended = true;
      if (this.#inner === null) this.#finish();
      else this.#inner.end();
      return;
    }
    this.#tail = this.#tail.then(async () => {
      this.#waiting--;
      const inner = this.#inner;
      if (inner === null || this.ended) return;
      try {
        await step(inner);
      } catch (error) {
        this.#ended = true;
        inner.endWith(this.#options.error(error instanceof ApiError ? error : internal(error)));
      }
    });
  }

  /** It never began. */
  #finish(): void {
    this.#ended = true;
    this.#options.onEnd("server");
  }
}
