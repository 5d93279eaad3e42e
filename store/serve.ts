import { decodeTraceContext, type TraceContext } from "../base/trace_context.ts";
import type { FrameConnection, Log, Timer, Timers } from "../platform/mod.ts";
import { type StoreFront } from "./front.ts";
import { storeLimits } from "./limits.ts";
import { answer, asWatch, errorFields, MessageReader, method, sendMessage } from "./messages.ts";
import { type RangeResponse, StoreError, type StoreEvent, type Watch, type WatchSink } from "./types.ts";
import {
  asAlarmKind,
  asBytes,
  asInteger,
  asLease,
  asMember,
  asRange,
  asText,
  decodeCommand,
  encodeEvents,
  leaseField,
  memberFields,
  pack,
  rangeResponseFields,
  txnResponseFields,
  unpack,
  WireError,
} from "./wire.ts";

/** Serves one member's store to clients over frames: pipelined calls, watches, and who leads. */
export class ClientServer {
  readonly #front: StoreFront;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #sessions = new Set<Session>();
  /** Events as bytes, made once for all watches that were handed the same list. */
  readonly #encoded = new WeakMap<readonly StoreEvent[], Uint8Array>();
  #beat: Timer | null = null;
  #closed = false;

  constructor(parts: { front: StoreFront; timers: Timers; log: Log }) {
    this.#front = parts.front;
    this.#timers = parts.timers;
    this.#log = parts.log;
    this.#scheduleBeat();
  }

  accept(connection: FrameConnection): void {
    if (this.#closed || this.#sessions.size >= storeLimits.connectionsMax) return connection.close();
    const session = new Session({
      connection,
      front: this.#front,
      encode: (events) => this.#encode(events),
      ended: (error) => {
        this.#sessions.delete(session);
        if (error instanceof WireError) this.#log.warn("cut off a client that broke the protocol", { error });
        else if (error !== undefined) this.#log.error("a client's request failed", { error });
      },
    });
    this.#sessions.add(session);
    session.send(this.#leaderMessage());
  }

  /** Tells every client who leads now. */
  leaderChanged(): void {
    const message = this.#leaderMessage();
    for (const session of this.#sessions) session.send(message);
  }

  close(): void {
    this.#closed = true;
    this.#beat?.cancel();
    for (const session of [...this.#sessions]) session.end();
  }

  #leaderMessage(): Uint8Array {
    const { memberId, leaderId, term } = this.#front.statusNow();
    return pack([answer.leader, 0, memberId, leaderId, term]);
  }

  #scheduleBeat(): void {
    this.#beat = this.#timers.schedule(storeLimits.serverBeatMs, () => {
      this.leaderChanged();
      this.#scheduleBeat();
    });
  }

  #encode(events: readonly StoreEvent[]): Uint8Array {
    let bytes = this.#encoded.get(events);
    if (bytes === undefined) {
      bytes = encodeEvents(events);
      this.#encoded.set(events, bytes);
    }
    return bytes;
  }
}

/** One client's connection. */
class Session {
  readonly #connection: FrameConnection;
  readonly #front: StoreFront;
  readonly #encode: (events: readonly StoreEvent[]) => Uint8Array;
  readonly #ended: (error?: unknown) => void;
  readonly #reader = new MessageReader();
  readonly #watches = new Map<number, Watch>();
  #inFlight = 0;
  #open = true;

  constructor(parts: {
    connection: FrameConnection;
    front: StoreFront;
    encode: (events: readonly StoreEvent[]) => Uint8Array;
    ended: (error?: unknown) => void;
  }) {
    this.#connection = parts.connection;
    this.#front = parts.front;
    this.#encode = parts.encode;
    this.#ended = parts.ended;
    parts.connection.onFrame = (frame) => this.#onFrame(frame);
    parts.connection.onClose = () => this.end();
  }

  send(message: Uint8Array): void {
    if (!this.#open) return;
    sendMessage(this.#connection, message);
    if (this.#connection.bufferedBytes > storeLimits.connectionBufferedBytesMax) this.end();
  }

  end(error?: unknown): void {
    if (!this.#open) return;
    this.#open = false;
    for (const watch of this.#watches.values()) watch.cancel();
    this.#watches.clear();
    this.#connection.close();
    this.#ended(error);
  }

  #onFrame(frame: Uint8Array): void {
    if (!this.#open) return;
    try {
      const message = this.#reader.push(frame);
      if (message !== null) this.#onMessage(unpack(message));
    } catch (error) {
      this.end(error);
    }
  }

  #onMessage(message: readonly unknown[]): void {
    const kind = message[0];
    const id = asInteger(message[1]);
    switch (kind) {
      case method.watch:
        return this.#watch(id, message.slice(2));
      case method.watchCancel:
        this.#watches.get(id)?.cancel();
        this.#watches.delete(id);
        return;
      case method.watchProgress:
        return this.#watches.get(id)?.requestProgress();
    }
    if (this.#inFlight >= storeLimits.connectionInFlightMax) {
      const text = `Cannot take another request: ${this.#inFlight} are in flight on this connection`;
      return this.#fail(id, new StoreError("Overloaded", text));
    }
    this.#inFlight++;
    this.#call(kind, message).then(
      (fields) => this.send(pack([answer.ok, id, fields])),
      (error) => this.#fail(id, error),
    ).finally(() => this.#inFlight--);
  }

  async #call(kind: unknown, message: readonly unknown[]): Promise<unknown> {
    switch (kind) {
      case method.range: {
        const response = await this.#front.range(asRange(message[2]));
        return rangeResponseFields(sized(response));
      }
      case method.txn: {
        // The client's bytes go into the log as they are; decoding them here is for the checks alone.
        const encoded = asBytes(message[2]);
        if (encoded.length > storeLimits.requestBytesMax + envelopeBytes) {
          throw new StoreError("TooLarge", `Cannot run transaction: ${encoded.length} bytes`);
        }
        const command = decodeCommand(encoded);
        if (command.kind !== "txn") throw new StoreError("InvalidArgument", "Cannot run transaction: not one");
        const trace = message[3] === undefined ? undefined : traceOf(message[3]);
        return txnResponseFields(await this.#front.txnEncoded(command.request, encoded, trace));
      }
      case method.leaseGrant: {
        const granted = await this.#front.leaseGrant(asInteger(message[2]), asLease(message[3]));
        return [leaseField(granted.id), granted.ttlSeconds];
      }
      case method.leaseRevoke:
        await this.#front.leaseRevoke(asLease(message[2]));
        return null;
      case method.leaseKeepAlive:
        return await this.#front.leaseKeepAlive(asLease(message[2]));
      case method.compact:
        await this.#front.compact(asInteger(message[2]));
        return null;
      case method.leaseTimeToLive: {
        const left = await this.#front.leaseTimeToLive(asLease(message[2]), { keys: message[3] === true });
        return [left.ttlSeconds, left.grantedTtlSeconds, left.keys];
      }
      case method.leases:
        return (await this.#front.leases()).map(leaseField);
      case method.hashKv: {
        const { hash, hashRevision, compactRevision, revision } = await this.#front.hashKv(asInteger(message[2]));
        return [hash, hashRevision, compactRevision, revision];
      }
      case method.alarm: {
        const [, , action, memberId, kind] = message;
        const known = action === "activate" || action === "disarm";
        const alarms = await this.#front.alarm(
          known ? { action, memberId: asText(memberId), kind: asAlarmKind(kind) } : { action: "list" },
        );
        return alarms.map((alarm) => [alarm.memberId, alarm.kind]);
      }
      case method.membership:
        return await this.#membership(message.slice(2));
      case method.status: {
        const status = await this.#front.status();
        return [
          status.memberId,
          status.leaderId,
          status.term,
          status.revision,
          status.compactRevision,
          status.appliedIndex,
          status.commitIndex,
          status.databaseBytes,
          status.isLearner,
          status.allocatedBytes,
          status.quotaBytes,
        ];
      }
      case method.defragment:
        await this.#front.defragment();
        return null;
    }
    throw new WireError(`Unknown method ${String(kind)}`);
  }

  async #membership([verb, first, ...rest]: readonly unknown[]): Promise<unknown> {
    const { membership } = this.#front;
    switch (verb) {
      case "list":
        return (await membership.list()).map(memberFields);
      case "add":
        return memberFields(await membership.add(asMember(first)));
      case "remove":
        return await membership.remove(asText(first));
      case "promote":
        return await membership.promote(asText(first));
      case "update":
        return await membership.update(asText(first), {
          peerAddress: asText(rest[0]),
          ...(typeof rest[1] === "string" ? { clientAddress: rest[1] } : {}),
        });
      case "moveLeader":
        return await membership.moveLeader(asText(first));
    }
    throw new WireError(`Unknown change of membership: ${String(verb)}`);
  }

  #fail(id: number, error: unknown): void {
    if (error instanceof StoreError) return this.send(pack([answer.error, id, errorFields(error)]));
    this.end(error);
  }

  #watch(id: number, fields: readonly unknown[]): void {
    if (this.#watches.has(id)) throw new WireError(`Watch ${id} is there already`);
    const closed = (error: StoreError | null) => {
      this.#watches.delete(id);
      this.send(pack([answer.watchClosed, id, error === null ? null : errorFields(error)]));
    };
    const request = asWatch(fields);
    if (this.#watches.size >= storeLimits.watchesPerConnectionMax) {
      return closed(new StoreError("Overloaded", `Cannot watch: ${this.#watches.size} watches on this connection`));
    }
    const sink: WatchSink = {
      onCreated: (revision) => this.send(pack([answer.watchCreated, id, revision])),
      onEvents: (events, revision) => this.send(pack([answer.watchEvents, id, revision, this.#encode(events)])),
      onProgress: (revision) => this.send(pack([answer.watchProgress, id, revision])),
      onClose: closed,
      congested: () => this.#connection.bufferedBytes > storeLimits.connectionCongestedBytes,
    };
    this.#watches.set(id, this.#front.watch(request, sink));
  }
}

/** What the command's encoding may add to the keys and values, which have a bound of their own. */
const envelopeBytes = 64 * 1024;

function traceOf(field: unknown): TraceContext {
  const trace = decodeTraceContext(asBytes(field));
  if (trace === null) throw new WireError("A trace context is missing");
  return trace;
}

function sized(response: RangeResponse): RangeResponse {
  let bytes = 0;
  for (const kv of response.kvs) bytes += kv.key.length + kv.value.length;
  if (bytes <= storeLimits.rangeResponseBytesMax) return response;
  const text = `Cannot answer with ${bytes} bytes, at most ${storeLimits.rangeResponseBytesMax}: page with a limit`;
  throw new StoreError("TooLarge", text);
}
