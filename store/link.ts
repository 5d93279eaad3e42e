import type { Address, Clock, FrameConnection, Frames, Random, Timer, Timers, TlsIdentity } from "../platform/mod.ts";
import { storeLimits } from "./limits.ts";
import { answer, asError, MessageReader, method, sendMessage, watchFields } from "./messages.ts";
import { type Revision, StoreError, type WatchRequest, type WatchSink } from "./types.ts";
import { asArray, asBytes, asInteger, asText, decodeEvents, pack, unpack } from "./wire.ts";

export interface LinkDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly frames: Frames;
}

/** What a member says of who leads. */
export interface LeaderNews {
  readonly memberId: string;
  /** "": it knows of none. */
  readonly leaderId: string;
  readonly term: number;
}

/** The link broke, or its member no longer leads, before the answer came: whether the call ran is not known. */
export class LostError extends Error {
  override readonly name = "LostError";
}

export interface Reply {
  readonly fields: unknown;
  /** The message is long: pairs kept from it must be copies. */
  readonly copy: boolean;
}

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly deadlineMs: number;
}

/** One client's connection to one member; dials again, with growing pauses, as long as it is open. */
export class Link {
  readonly #endpoint: Address;
  readonly #tls: TlsIdentity | undefined;
  readonly #deps: LinkDeps;
  readonly #changed: () => void;
  readonly #pending = new Map<number, Pending>();
  readonly #watches = new Map<number, WatchSink>();
  #connection: FrameConnection | null = null;
  #abort: AbortController | null = null;
  #reader = new MessageReader();
  #news: LeaderNews | null = null;
  #nextId = 1;
  #heardMs = 0;
  #sweep: Timer | null = null;
  #redial: Timer | null = null;
  #pauseMs: number = storeLimits.clientReconnectMsMin;
  #closed = false;

  constructor(parts: { endpoint: Address; tls: TlsIdentity | undefined; deps: LinkDeps; changed: () => void }) {
    this.#endpoint = parts.endpoint;
    this.#tls = parts.tls;
    this.#deps = parts.deps;
    this.#changed = parts.changed;
    void this.#dial();
  }

  /** Connected, and the member has said who it is. */
  get up(): boolean {
    return this.#news !== null;
  }

  /** Null while not connected. */
  get news(): LeaderNews | null {
    return this.#news;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  /** Rejects with the server's StoreError, or LostError when no answer came before the end of the link or `deadlineMs`. */
  call(kind: number, args: readonly unknown[], deadlineMs: number): Promise<Reply> {
    const connection = this.#connection;
    if (connection === null) return Promise.reject(new StoreError("NoLeader", `No connection to ${this.#endpoint}`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, deadlineMs });
      sendMessage(connection, pack([kind, id, ...args]));
    });
  }

  /** Null when not connected. The sink's `onClose` comes at the latest with the end of the link. */
  watch(request: WatchRequest, sink: WatchSink): { cancel(): void; requestProgress(): void } | null {
    const connection = this.#connection;
    if (connection === null) return null;
    const id = this.#nextId++;
    this.#watches.set(id, sink);
    sendMessage(connection, pack([method.watch, id, ...watchFields(request)]));
    const tell = (kind: number) => {
      if (this.#watches.has(id)) this.#connection?.send(pack([kind, id]));
    };
    return {
      cancel: () => {
        tell(method.watchCancel);
        this.#watches.delete(id);
      },
      requestProgress: () => tell(method.watchProgress),
    };
  }

  /** Gives up on what was asked so far. */
  abandon(): void {
    this.#failPending(`${this.#endpoint} no longer leads and has not answered`);
  }

  close(): void {
    this.#closed = true;
    this.#abort?.abort(new StoreError("Unavailable", "The store was closed"));
    this.#redial?.cancel();
    this.#drop("the store was closed");
  }

  async #dial(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    // A dial that hangs must not keep this member out for ever.
    const timer = this.#deps.timers.schedule(storeLimits.clientSilenceMs, () => abort.abort(new Error("timed out")));
    try {
      const options = { signal: abort.signal, ...(this.#tls === undefined ? {} : { tls: this.#tls }) };
      const connection = await this.#deps.frames.dial(this.#endpoint, options);
      if (this.#closed) return connection.close();
      this.#connect(connection);
    } catch {
      this.#retry();
    } finally {
      timer.cancel();
    }
  }

  #connect(connection: FrameConnection): void {
    this.#connection = connection;
    this.#reader = new MessageReader();
    this.#heardMs = this.#deps.clock.monotonic();
    connection.onFrame = (frame) => this.#onFrame(frame);
    connection.onClose = () => {
      if (this.#connection === connection) this.#drop("the connection ended");
    };
    this.#scheduleSweep();
  }

  #retry(): void {
    if (this.#closed) return;
    const pauseMs = this.#pauseMs * (0.5 + this.#deps.random.next());
    this.#pauseMs = Math.min(this.#pauseMs * 2, storeLimits.clientReconnectMsMax);
    this.#redial = this.#deps.timers.schedule(pauseMs, () => void this.#dial());
  }

  #drop(why: string): void {
    const connection = this.#connection;
    if (connection === null) return;
    this.#connection = null;
    this.#news = null;
    this.#sweep?.cancel();
    connection.close();
    this.#failPending(`${this.#endpoint}: ${why}`);
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    this.#retry();
    this.#changed();
    for (const sink of watches) sink.onClose(new StoreError("Unavailable", `Watch on ${this.#endpoint} ended: ${why}`));
  }

  #failPending(message: string): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const each of pending) each.reject(new LostError(message));
  }

  #scheduleSweep(): void {
    this.#sweep = this.#deps.timers.schedule(storeLimits.clientSweepMs, () => {
      const now = this.#deps.clock.monotonic();
      if (now - this.#heardMs > storeLimits.clientSilenceMs) return this.#drop("it has been silent too long");
      for (const [id, each] of this.#pending) {
        if (each.deadlineMs > now) continue;
        this.#pending.delete(id);
        each.reject(new LostError(`${this.#endpoint} has not answered in time`));
      }
      this.#scheduleSweep();
    });
  }

  #onFrame(frame: Uint8Array): void {
    this.#heardMs = this.#deps.clock.monotonic();
    try {
      const message = this.#reader.push(frame);
      if (message !== null) this.#onMessage(message);
    } catch (error) {
      this.#drop(error instanceof Error ? error.message : "it broke the protocol");
      if (error instanceof Error && error.name === "BugError") throw error;
    }
  }

  #onMessage(bytes: Uint8Array): void {
    const message = unpack(bytes);
    const id = asInteger(message[1]);
    switch (message[0]) {
      case answer.ok: {
        const pending = this.#pending.get(id);
        this.#pending.delete(id);
        return pending?.resolve({ fields: message[2], copy: bytes.length > storeLimits.sharedMessageBytesMax });
      }
      case answer.error: {
        const pending = this.#pending.get(id);
        this.#pending.delete(id);
        return pending?.reject(asError(asArray(message[2])));
      }
      case answer.leader: {
        this.#news = { memberId: asText(message[2]), leaderId: asText(message[3]), term: asInteger(message[4]) };
        this.#pauseMs = storeLimits.clientReconnectMsMin;
        return this.#changed();
      }
    }
    this.#onWatch(id, message, bytes.length > storeLimits.sharedMessageBytesMax);
  }

  #onWatch(id: number, message: readonly unknown[], copy: boolean): void {
    const sink = this.#watches.get(id);
    if (sink === undefined) return;
    switch (message[0]) {
      case answer.watchCreated:
        return sink.onCreated?.(asInteger(message[2]) as Revision);
      case answer.watchEvents:
        return sink.onEvents(decodeEvents(asBytes(message[3]), copy), asInteger(message[2]) as Revision);
      case answer.watchProgress:
        return sink.onProgress?.(asInteger(message[2]) as Revision);
      case answer.watchClosed:
        this.#watches.delete(id);
        return sink.onClose(message[2] === null ? null : asError(asArray(message[2])));
    }
  }
}
