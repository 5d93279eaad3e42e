import { limits } from "../limits.ts";
import type { CachedObject } from "./cached.ts";
import type { Change, FrameEncoder } from "./change.ts";
import type { FlushPacer } from "./pacer.ts";
import type { Subscriber } from "./resource_cache.ts";

export interface WatcherOptions {
  readonly pacer: FlushPacer;
  readonly trigger: string | null;
  readonly matches: (object: CachedObject) => boolean;
  readonly encode: FrameEncoder;
  /** See {@linkcode Change.frame}. */
  readonly sharedAs: string | undefined;
  /** Sent as ADDED before any change. */
  readonly initial: readonly CachedObject[];
  /** Sent between `initial` and the first change. */
  readonly afterInitial: Uint8Array<ArrayBuffer> | null;
  /** Changes up to this revision are already known to the client. */
  readonly after: number;
  /** Null: the client did not ask for bookmarks. */
  readonly bookmark: ((revision: number) => Uint8Array<ArrayBuffer>) | null;
  /** The stream is over, whoever ended it. Called once. */
  readonly onEnd: (reason: "client" | "server" | "stalled") => void;
}

/**
 * One client's watch: a body that is read at the client's pace. What happens while the client reads waits in one queue
 * and leaves in one chunk, so a burst costs one write. A queue over its bound ends the watch: the client resumes from
 * the last revision it saw.
 */
export class Watcher implements Subscriber {
  readonly trigger: string | null;
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #options: WatcherOptions;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #initialAt = 0;
  #afterInitialSent: boolean;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queuedBytes = 0;
  #wanted = false;
  readonly #flush = () => this.#drain();
  #ending = false;
  #ended = false;
  #revision: number;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.trigger = options.trigger;
    this.#revision = options.after;
    this.#afterInitialSent = options.afterInitial === null;
    this.body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        this.#wanted = true;
        this.#drain();
      },
      cancel: () => this.#finish("client"),
    }, { highWaterMark: 0 });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The revision up to which this client has been told everything. */
  get revision(): number {
    return this.#revision;
  }

  offer(change: Change): void {
    if (this.#ended || change.revision <= this.#options.after) return;
    const type = change.typeFor(this.#options.matches);
    if (type === null) return;
    const frame = change.frame(type, this.#options.encode, this.#options.sharedAs);
    if (frame === null) return;
    this.#revision = change.revision;
    this.#push(frame);
  }

  bookmark(revision: number): void {
    if (this.#options.bookmark === null || this.#ended || revision <= this.#revision) return;
    this.#revision = revision;
    this.#push(this.#options.bookmark(revision));
  }

  /** A last frame (an ERROR, say), then the end. */
  endWith(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#ended) return;
    this.#push(frame);
    this.end();
  }

  /** Ends the body once what is queued was read. */
  end(): void {
    if (this.#ended || this.#ending) return;
    this.#ending = true;
    this.#scheduleFlush();
  }

  #push(frame: Uint8Array<ArrayBuffer>): void {
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (this.#queuedBytes > limits.watcherPendingBytes || this.#queue.length > limits.watcherPendingEvents) {
      this.#queue = [];
      this.#finish("stalled");
      return;
    }
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#wanted || this.#ending) this.#options.pacer.request(this.#flush);
  }

  #drain(): void {
    if (this.#ended || !this.#wanted && !this.#ending) return;
    const parts = this.#wanted ? this.#take() : [];
    if (parts.length > 0) {
      this.#wanted = false;
      this.#controller?.enqueue(this.#options.pacer.joined(parts));
    }
    if (this.#ending && this.#isEmpty()) this.#finish("server");
  }

  #isEmpty(): boolean {
    return this.#queue.length === 0 && this.#afterInitialSent && this.#initialAt >= this.#options.initial.length;
  }

  /** The next chunk's frames. */
  #take(): Uint8Array<ArrayBuffer>[] {
    const { initial, encode, afterInitial } = this.#options;
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    while (this.#initialAt < initial.length && length < limits.chunkBytes) {
      const frame = encode("ADDED", initial[this.#initialAt++] as CachedObject);
      parts.push(frame);
      length += frame.length;
    }
    if (this.#initialAt < initial.length) return parts;
    if (!this.#afterInitialSent && afterInitial !== null) {
      this.#afterInitialSent = true;
      parts.push(afterInitial);
    }
    for (const frame of this.#queue) parts.push(frame);
    this.#queue = [];
    this.#queuedBytes = 0;
    return parts;
  }

  #finish(reason: "client" | "server" | "stalled"): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue = [];
    if (reason !== "client") this.#controller?.close();
    this.#options.onEnd(reason);
  }
}
