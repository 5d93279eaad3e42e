import type { Address } from "../../platform/mod.ts";
import { ByteReader, ByteWriter, entriesBytes, readEntries, writeEntries } from "../raft/binary.ts";
import { decodeConfiguration } from "../raft/configuration.ts";
import type { MemberId, Message, SnapshotPoint, Term } from "../raft/messages.ts";

/** One frame between members. `from` and `to` of a message are the connection's own and do not travel. */
export type PeerFrame =
  /** The first frame on a connection: who dials whom. */
  | {
    readonly kind: "hello";
    readonly version: number;
    readonly clusterId: string;
    readonly from: string;
    readonly to: string;
    /** Where the one who dials listens: whom it dials may not have heard of it yet. "": nowhere. */
    readonly address: Address;
  }
  | { readonly kind: "message"; readonly message: Message }
  | {
    readonly kind: "chunk";
    readonly term: Term;
    readonly point: SnapshotPoint;
    readonly total: number;
    readonly offset: number;
    readonly data: Uint8Array;
  }
  /** The receiver has all bytes before `received`. */
  | { readonly kind: "chunkAck"; readonly point: SnapshotPoint; readonly received: number }
  /** From member to member past the log; may get lost. Short. */
  | { readonly kind: "note"; readonly data: Uint8Array }
  /** The one answer to a hello: who dialled was removed from the cluster. */
  | { readonly kind: "removed" };

/** Raised when frames change their layout. Members that differ do not talk. */
export const protocolVersion = 4;

const hello = 1;
const chunk = 2;
const chunkAck = 3;
const removed = 4;
const note = 5;
/** Message kinds, from 16 on; the place in this list is the wire code. Append only. */
const kinds = [
  "preVote",
  "vote",
  "preVoteAnswer",
  "voteAnswer",
  "append",
  "appendAccepted",
  "appendRefused",
  "heartbeat",
  "heartbeatAnswer",
  "readIndex",
  "readIndexAnswer",
  "timeoutNow",
  "commit",
] as const;
const firstKind = 16;

export function encodePeerFrame(frame: PeerFrame): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(64 + payloadBytes(frame));
  switch (frame.kind) {
    case "hello":
      writer.u8(hello);
      writer.u32(frame.version);
      writer.text(frame.clusterId);
      writer.text(frame.from);
      writer.text(frame.to);
      writer.text(frame.address);
      break;
    case "message":
      writeMessage(writer, frame.message);
      break;
    case "chunk":
      writer.u8(chunk);
      writer.counter(frame.term);
      writer.counter(frame.point.index);
      writer.counter(frame.point.term);
      writer.counter(frame.total);
      writer.counter(frame.offset);
      writer.bytes(frame.data);
      break;
    case "chunkAck":
      writer.u8(chunkAck);
      writer.counter(frame.point.index);
      writer.counter(frame.point.term);
      writer.counter(frame.received);
      break;
    case "note":
      writer.u8(note);
      writer.bytes(frame.data);
      break;
    case "removed":
      writer.u8(removed);
      break;
  }
  return writer.finish();
}

function payloadBytes(frame: PeerFrame): number {
  if (frame.kind === "chunk" || frame.kind === "note") return frame.data.length;
  return frame.kind === "message" && frame.message.kind === "append" ? entriesBytes(frame.message.entries) : 0;
}

function writeMessage(writer: ByteWriter, message: Message): void {
  if (message.kind === "snapshot") throw new RangeError("snapshots travel as chunks");
  writer.u8(firstKind + kinds.indexOf(message.kind));
  writer.counter(message.term);
  switch (message.kind) {
    case "preVote":
    case "vote":
      writer.counter(message.lastIndex);
      writer.counter(message.lastTerm);
      writer.u8(message.transfer ? 1 : 0);
      return;
    case "preVoteAnswer":
    case "voteAnswer":
      writer.u8(message.granted ? 1 : 0);
      return;
    case "append":
      writer.counter(message.prevIndex);
      writer.counter(message.prevTerm);
      writer.counter(message.commit);
      writeEntries(writer, message.entries);
      return;
    case "commit":
      writer.counter(message.commit);
      return;
    case "appendAccepted":
      writer.counter(message.match);
      return;
    case "appendRefused":
      writer.counter(message.prevIndex);
      writer.counter(message.hintIndex);
      writer.counter(message.hintTerm);
      return;
    case "heartbeat":
      writer.counter(message.commit);
      writer.counter(message.readSequence);
      return;
    case "heartbeatAnswer":
      writer.counter(message.readSequence);
      writer.u8(message.wantsCommits ? 1 : 0);
      return;
    case "readIndex":
      writer.counter(message.context);
      return;
    case "readIndexAnswer":
      writer.counter(message.context);
      writer.counter(message.index);
      return;
    case "timeoutNow":
      return;
  }
}

/** Null: no frame of ours; close the connection. */
export function decodePeerFrame(bytes: Uint8Array, link: { from: MemberId; to: MemberId }): PeerFrame | null {
  try {
    const reader = new ByteReader(bytes);
    const frame = readFrame(reader, link);
    return reader.done ? frame : null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readFrame(reader: ByteReader, link: { from: MemberId; to: MemberId }): PeerFrame | null {
  const code = reader.u8();
  switch (code) {
    case hello:
      return {
        kind: "hello",
        version: reader.u32(),
        clusterId: reader.text(),
        from: reader.text(),
        to: reader.text(),
        address: reader.text(),
      };
    case chunk: {
      const term = reader.counter();
      const point = { index: reader.counter(), term: reader.counter() };
      const total = reader.counter();
      const offset = reader.counter();
      return { kind: "chunk", term, point, total, offset, data: reader.bytes() };
    }
    case chunkAck: {
      const point = { index: reader.counter(), term: reader.counter() };
      return { kind: "chunkAck", point, received: reader.counter() };
    }
    case note:
      return { kind: "note", data: reader.bytes() };
    case removed:
      return { kind: "removed" };
    default: {
      const message = readMessage(reader, kinds[code - firstKind], link);
      return message === null ? null : { kind: "message", message };
    }
  }
}

function readMessage(
  reader: ByteReader,
  kind: (typeof kinds)[number] | undefined,
  link: { from: MemberId; to: MemberId },
): Message | null {
  if (kind === undefined) return null;
  const head = { from: link.from, to: link.to, term: reader.counter() };
  switch (kind) {
    case "preVote":
    case "vote": {
      const lastIndex = reader.counter();
      return { kind, ...head, lastIndex, lastTerm: reader.counter(), transfer: reader.u8() === 1 };
    }
    case "preVoteAnswer":
    case "voteAnswer":
      return { kind, ...head, granted: reader.u8() === 1 };
    case "append": {
      const prevIndex = reader.counter();
      const prevTerm = reader.counter();
      const commit = reader.counter();
      const entries = readEntries(reader);
      const contiguous = entries.length === 0 || entries[0]?.index === prevIndex + 1;
      for (const entry of entries) if (entry.kind === "config") decodeConfiguration(entry.data); // or RangeError
      return contiguous ? { kind, ...head, prevIndex, prevTerm, commit, entries } : null;
    }
    case "commit":
      return { kind, ...head, commit: reader.counter() };
    case "appendAccepted":
      return { kind, ...head, match: reader.counter() };
    case "appendRefused": {
      const prevIndex = reader.counter();
      const hintIndex = reader.counter();
      return { kind, ...head, prevIndex, hintIndex, hintTerm: reader.counter() };
    }
    case "heartbeat": {
      const commit = reader.counter();
      return { kind, ...head, commit, readSequence: reader.counter() };
    }
    case "heartbeatAnswer": {
      const readSequence = reader.counter();
      return { kind, ...head, readSequence, wantsCommits: reader.u8() === 1 };
    }
    case "readIndex":
      return { kind, ...head, context: reader.counter() };
    case "readIndexAnswer": {
      const context = reader.counter();
      return { kind, ...head, context, index: reader.counter() };
    }
    case "timeoutNow":
      return { kind, ...head };
  }
}
