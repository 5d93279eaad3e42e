import type { GrpcMethod, GrpcStream } from "../../platform/grpc/mod.ts";
import type { Timer } from "../../platform/mod.ts";
import { StoreError, type StoreEvent, type Watch, type WatchSink } from "../types.ts";
import { endOf, pairMessage } from "./convert.ts";
import { etcdError, etcdErrors } from "./errors.ts";
import { etcdLimits } from "./limits.ts";
import { etcdCodec, eventType, type Input, type Message, watchFilter } from "./messages.ts";
import type { Facade } from "./service.ts";

/** etcdserverpb.Watch: one call carries any number of watches. */
export function watchService(facade: Facade): [path: string, method: GrpcMethod][] {
  return [["/etcdserverpb.Watch/Watch", { kind: "stream", open: (call) => void new WatchStream(call, facade) }]];
}

/** Names no watch: an answer to all of them, or to one that could not be made. */
const noWatch = -1;

class WatchStream {
  readonly #call: GrpcStream;
  readonly #facade: Facade;
  readonly #watches = new Map<number, StreamWatch>();
  readonly #requireLeader: boolean;
  #nextId = 0;
  /** Watches that a manual progress request still waits for; null: none is under way. */
  #awaited: Set<StreamWatch> | null = null;
  #progressAgain = false;
  #progressRevision = Infinity;

  constructor(call: GrpcStream, facade: Facade) {
    this.#call = call;
    this.#facade = facade;
    this.#requireLeader = call.metadata.get("hasleader") === "true";
    call.onMessage = (bytes) => this.#onRequest(etcdCodec.decode("WatchRequest", bytes));
    call.onEnd = () => this.#end();
    call.onDrained = () => {
      for (const watch of this.#watches.values()) watch.resume();
    };
    call.signal.addEventListener("abort", () => this.#close(), { once: true });
  }

  #onRequest(request: Message<"WatchRequest">): void {
    if (request.create_request !== undefined) this.#create(request.create_request);
    else if (request.cancel_request !== undefined) this.#cancel(request.cancel_request.watch_id);
    else if (request.progress_request !== undefined) this.#requestProgress();
  }

  #create(request: Message<"WatchCreateRequest">): void {
    const refuse = (reason: string) =>
      this.#send({ watch_id: noWatch, created: true, canceled: true, cancel_reason: reason });
    if (request.start_revision < 0) return refuse(etcdErrors.compacted[1]);
    if (this.#watches.has(request.watch_id) && request.watch_id !== 0) {
      return refuse("mvcc: duplicate watch ID provided on the WatchStream");
    }
    if (this.#watches.size >= etcdLimits.watchesPerStreamMax) return refuse(etcdErrors.tooManyRequests[1]);
    const id = request.watch_id === 0 ? this.#freeId() : request.watch_id;
    const watch = new StreamWatch(id, request, this.#facade, {
      send: (answer, revision) => this.#send({ ...answer, watch_id: id }, revision),
      sendEvents: (events, revision) => this.#sendEvents(id, request.fragment, events, revision),
      congested: () => this.#call.bufferedBytes > etcdLimits.streamCongestedBytes,
      progressed: (revision) => this.#progressed(watch, revision),
      ended: () => this.#forget(watch),
      lostLeader: () => {
        if (!this.#requireLeader) return false;
        this.#close();
        this.#call.end(etcdError("noLeader"));
        return true;
      },
    });
    this.#watches.set(id, watch);
    watch.start();
  }

  #freeId(): number {
    while (this.#watches.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  #cancel(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    watch.close();
    this.#forget(watch);
    this.#send({ watch_id: id, canceled: true });
  }

  /** One answer for the whole stream, once every watch of it has everything: then nothing below its revision is to come. */
  #requestProgress(): void {
    if (this.#awaited !== null) {
      this.#progressAgain = true;
      return;
    }
    if (this.#watches.size === 0) return;
    this.#progressRevision = Infinity;
    this.#awaited = new Set(this.#watches.values());
    for (const watch of this.#awaited) watch.requestProgress();
  }

  #progressed(watch: StreamWatch, revision: number): void {
    if (this.#awaited?.delete(watch) !== true) return;
    this.#progressRevision = Math.min(this.#progressRevision, revision);
    this.#settleProgress();
  }

  #forget(watch: StreamWatch): void {
    this.#watches.delete(watch.id);
    if (this.#awaited?.delete(watch) === true) this.#settleProgress();
  }

  #settleProgress(): void {
    if (this.#awaited === null || this.#awaited.size > 0) return;
    this.#awaited = null;
    if (this.#progressRevision !== Infinity) this.#send({ watch_id: noWatch }, this.#progressRevision);
    if (!this.#progressAgain) return;
    this.#progressAgain = false;
    this.#requestProgress();
  }

  #sendEvents(id: number, fragment: boolean, events: readonly Input<"Event">[], revision: number): void {
    if (!fragment) return this.#send({ watch_id: id, events }, revision);
    const parts = cut(events);
    parts.forEach((part, i) => this.#send({ watch_id: id, events: part, fragment: i < parts.length - 1 }, revision));
  }

  #send(answer: Input<"WatchResponse">, revision?: number): void {
    const header = this.#facade.headers.at(revision);
    this.#call.send(etcdCodec.encode("WatchResponse", { header, ...answer }));
  }

  #end(): void {
    this.#close();
    this.#call.end();
  }

  #close(): void {
    for (const watch of this.#watches.values()) watch.close();
    this.#watches.clear();
    this.#awaited = null;
  }
}

/** Runs of events whose bytes stay within a fragment; at least one event each. */
function cut(events: readonly Input<"Event">[]): Input<"Event">[][] {
  const parts: Input<"Event">[][] = [];
  let bytes = Infinity;
  for (const event of events) {
    const size = etcdCodec.encode("Event", event).length + 8;
    if (bytes + size > etcdLimits.fragmentBytes) {
      parts.push([]);
      bytes = 0;
    }
    bytes += size;
    parts.at(-1)?.push(event);
  }
  return parts;
}

interface StreamPort {
  send(answer: Input<"WatchResponse">, revision?: number): void;
  sendEvents(events: readonly Input<"Event">[], revision: number): void;
  congested(): boolean;
  progressed(revision: number): void;
  /** The watch is over, and has said so. */
  ended(): void;
  /** The cluster has lost its leader: true when the whole stream ends for it. */
  lostLeader(): boolean;
}

/**
 * One watch of a stream, over the store's watches: when its member goes, or the client reads too slowly, it stops and goes on
 * from the revision after the last that it delivered.
 */
class StreamWatch implements WatchSink {
  readonly id: number;
  readonly #request: Message<"WatchCreateRequest">;
  readonly #facade: Facade;
  readonly #port: StreamPort;
  #watch: Watch | null = null;
  #next: number;
  #created = false;
  #paused = false;
  #closed = false;
  #wantsProgress = false;
  #retry: Timer | null = null;

  constructor(id: number, request: Message<"WatchCreateRequest">, facade: Facade, port: StreamPort) {
    this.id = id;
    this.#request = request;
    this.#facade = facade;
    this.#port = port;
    this.#next = request.start_revision;
  }

  start(): void {
    const { key, range_end, prev_kv, progress_notify, filters } = this.#request;
    this.#paused = false;
    this.#watch = this.#facade.store.watch({
      // An empty key is the smallest.
      key: key.length === 0 ? new Uint8Array([0]) : key,
      ...endOf(range_end),
      startRevision: this.#next,
      prevKv: prev_kv,
      progressNotify: progress_notify,
      noPut: filters.includes(watchFilter.noPut),
      noDelete: filters.includes(watchFilter.noDelete),
    }, this);
    if (this.#wantsProgress) this.#watch.requestProgress();
  }

  /** The client has read: a watch that was stopped for its sake goes on. */
  resume(): void {
    if (this.#paused && !this.#closed) this.start();
  }

  requestProgress(): void {
    this.#wantsProgress = true;
    this.#watch?.requestProgress();
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#watch?.cancel();
    this.#watch = null;
  }

  onCreated(revision: number): void {
    if (this.#next === 0) this.#next = revision + 1;
    if (this.#created) return;
    this.#created = true;
    this.#port.send({ created: true }, revision);
  }

  onEvents(events: readonly StoreEvent[], revision: number): void {
    this.#next = revision + 1;
    this.#port.sendEvents(events.map(eventMessage), revision);
    if (!this.#port.congested()) return;
    this.#paused = true;
    this.#watch?.cancel();
    this.#watch = null;
  }

  onProgress(revision: number): void {
    if (this.#wantsProgress) {
      this.#wantsProgress = false;
      return this.#port.progressed(revision);
    }
    if (this.#request.progress_notify) this.#port.send({}, revision);
  }

  onClose(error: StoreError | null): void {
    if (this.#closed) return;
    this.#watch = null;
    if (error === null || error.code === "Unavailable" || error.code === "NoLeader" || error.code === "Overloaded") {
      if (this.#port.lostLeader()) return;
      this.#retry = this.#facade.timers.schedule(etcdLimits.watchRetryMs, () => this.start());
      return;
    }
    // A watch that never was is told of first, so that the client knows its id.
    if (!this.#created) this.#port.send({ created: true });
    this.#closed = true;
    const compacted = error.code === "Compacted";
    this.#port.send({
      canceled: true,
      cancel_reason: compacted ? etcdErrors.compacted[1] : error.message,
      ...(compacted ? { compact_revision: error.compactRevision } : {}),
    });
    this.#port.ended();
  }
}

function eventMessage({ type, kv, prevKv }: StoreEvent): Input<"Event"> {
  return {
    type: eventType[type],
    kv: type === "put" ? pairMessage(kv) : { key: kv.key, mod_revision: kv.modRevision },
    ...(prevKv === undefined ? {} : { prev_kv: pairMessage(prevKv) }),
  };
}
