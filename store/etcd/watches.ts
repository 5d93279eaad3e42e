import { type GrpcClientCall, grpcCode, GrpcError } from "../../platform/grpc/mod.ts";
import { type Revision, StoreError, type StoreEvent, type Watch, type WatchRequest, type WatchSink } from "../types.ts";
import { fromEtcd } from "./errors.ts";
import { etcdCodec, eventType, type Input, type Message, watchFilter } from "./messages.ts";
import { pairOf } from "./unconvert.ts";

interface Entry {
  readonly id: number;
  readonly request: WatchRequest;
  readonly sink: WatchSink;
  created: boolean;
  wantsProgress: boolean;
}

/** Opens a Watch call. */
type OpenCall = (
  answers: { onMessage(bytes: Uint8Array): void; onEnd(error: GrpcError | null): void },
) => Promise<GrpcClientCall>;

/**
 * Every watch of an etcd store on one Watch call. When the call ends all of them end with Unavailable, and their owners watch
 * again: the next one opens a new call.
 */
export class EtcdWatches {
  readonly #open: OpenCall;
  /** Whether a progress answer of this etcd may be believed (etcd issue 15220). */
  readonly #progressIsSound: () => boolean;
  readonly #entries = new Map<number, Entry>();
  #call: Promise<GrpcClientCall> | null = null;
  #nextId = 1;
  #closed = false;

  constructor(open: OpenCall, progressIsSound: () => boolean) {
    this.#open = open;
    this.#progressIsSound = progressIsSound;
  }

  watch(request: WatchRequest, sink: WatchSink): Watch {
    const entry: Entry = { id: this.#nextId++, request, sink, created: false, wantsProgress: false };
    if (this.#closed || request.key.length === 0) {
      const error = this.#closed
        ? new StoreError("Unavailable", "Cannot watch: the store is closed")
        : new StoreError("InvalidArgument", "Cannot watch an empty key: a key has at least one byte");
      queueMicrotask(() => sink.onClose(error));
      return { cancel: () => {}, requestProgress: () => {} };
    }
    this.#entries.set(entry.id, entry);
    this.#send({
      create_request: {
        key: request.key,
        range_end: request.rangeEnd,
        start_revision: request.startRevision,
        prev_kv: request.prevKv,
        progress_notify: request.progressNotify,
        filters: [
          ...(request.noPut === true ? [watchFilter.noPut] : []),
          ...(request.noDelete === true ? [watchFilter.noDelete] : []),
        ],
        watch_id: entry.id,
      },
    });
    return {
      cancel: () => {
        if (this.#entries.delete(entry.id)) this.#send({ cancel_request: { watch_id: entry.id } });
      },
      requestProgress: () => {
        if (!this.#entries.has(entry.id)) return;
        entry.wantsProgress = true;
        if (entry.created) this.#askProgress();
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#call?.then((call) => call.cancel(), () => {});
    this.#endAll(new StoreError("Unavailable", "The store was closed"));
  }

  #askProgress(): void {
    if (this.#progressIsSound()) this.#send({ progress_request: {} });
  }

  #send(message: Input<"WatchRequest">): void {
    const bytes = etcdCodec.encode("WatchRequest", message);
    const call = this.#call ??= this.#start();
    call.then((open) => open.send(bytes), () => {});
  }

  #start(): Promise<GrpcClientCall> {
    const ended = (error: GrpcError | null) => {
      if (this.#call !== call) return;
      this.#call = null;
      const text = error === null ? "etcd has ended the watches" : `etcd has ended the watches: ${error.message}`;
      this.#endAll(new StoreError("Unavailable", text, { cause: error }));
    };
    const call = this.#open({
      onMessage: (bytes) => this.#onAnswer(etcdCodec.decode("WatchResponse", bytes)),
      onEnd: ended,
    });
    call.catch((error) => ended(error));
    return call;
  }

  #onAnswer(answer: Message<"WatchResponse">): void {
    const revision = (answer.header?.revision ?? 0) as Revision;
    if (answer.watch_id < 0) {
      for (const entry of [...this.#entries.values()]) if (entry.wantsProgress) this.#progress(entry, revision);
      return;
    }
    const entry = this.#entries.get(answer.watch_id);
    if (entry === undefined) return; // cancelled meanwhile
    if (answer.created && !answer.canceled) {
      entry.created = true;
      entry.sink.onCreated?.(revision);
      if (entry.wantsProgress) this.#askProgress();
      return;
    }
    if (answer.canceled) {
      this.#entries.delete(entry.id);
      return entry.sink.onClose(reasonOf(answer));
    }
    if (answer.events.length === 0) return this.#progress(entry, revision);
    const events = answer.events.map(eventOf);
    // Not the header's revision: that is the store's at the moment, and a watch that catches up has not had all of it.
    const last = events.at(-1)?.kv.modRevision ?? revision;
    entry.sink.onEvents(events, last);
  }

  #progress(entry: Entry, revision: Revision): void {
    entry.wantsProgress = false;
    if (this.#progressIsSound()) entry.sink.onProgress?.(revision);
  }

  #endAll(error: StoreError): void {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) entry.sink.onClose(error);
  }
}

function reasonOf(answer: Message<"WatchResponse">): StoreError {
  const { compact_revision: compactRevision, cancel_reason } = answer;
  if (compactRevision > 0) {
    return new StoreError("Compacted", `etcd has compacted up to revision ${compactRevision}`, { compactRevision });
  }
  const reason = cancel_reason === "" ? "etcd has cancelled the watch" : cancel_reason;
  return fromEtcd(new GrpcError(grpcCode.unavailable, reason));
}

function eventOf(message: Message<"Event">): StoreEvent {
  if (message.kv === undefined) throw new StoreError("Corrupt", "etcd sent an event without a pair");
  const kv = pairOf(message.kv, true);
  const type = message.type === eventType.delete ? "delete" : "put";
  return message.prev_kv === undefined ? { type, kv } : { type, kv, prevKv: pairOf(message.prev_kv, true) };
}
