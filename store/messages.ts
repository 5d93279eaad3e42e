import { concatBytes } from "../base/bytes.ts";
import { storeLimits } from "./limits.ts";
import { StoreError, type StoreErrorCode, type WatchRequest } from "./types.ts";
import { asBytes, asInteger, asText, WireError } from "./wire.ts";

/** What a client asks: `[method, id, ...]`. An id names a call, or a watch, until it is answered or ended. */
export const method = {
  range: 1,
  /** `[txn, id, command]`, and behind it the caller's trace context, 24 bytes, when there is one. */
  txn: 2,
  watch: 3,
  watchCancel: 4,
  watchProgress: 5,
  leaseGrant: 6,
  leaseRevoke: 7,
  leaseKeepAlive: 8,
  compact: 9,
  status: 10,
  leaseTimeToLive: 11,
  leases: 12,
  hashKv: 13,
  alarm: 14,
  /** `[membership, id, verb, ...]` */
  membership: 15,
  defragment: 16,
} as const;

/** What a server says: `[kind, id, ...]`. */
export const answer = {
  ok: 0,
  error: 1,
  watchCreated: 2,
  watchEvents: 3,
  watchProgress: 4,
  watchClosed: 5,
  /** `[leader, 0, memberId, leaderId, term]`: on connecting, on every change, and as a beat. */
  leader: 6,
} as const;

const codes: readonly StoreErrorCode[] = [
  "Compacted",
  "FutureRevision",
  "NotLeader",
  "NoLeader",
  "LeaseNotFound",
  "LeaseExists",
  "TooLarge",
  "TooManyOperations",
  "DuplicateKey",
  "KeyNotFound",
  "NoSpace",
  "Corrupt",
  "Unavailable",
  "Overloaded",
  "InvalidArgument",
  "MemberNotFound",
  "MemberExists",
  "PeerAddressExists",
  "NotEnoughStarted",
  "NotLearner",
  "LearnerNotReady",
  "TooManyLearners",
  "BadTransferee",
  "NotSupportedForLearner",
];

export function errorFields(error: StoreError): unknown[] {
  return [error.code, error.message, error.compactRevision ?? null];
}

export function asError(fields: readonly unknown[]): StoreError {
  const code = codes.find((known) => known === fields[0]);
  if (code === undefined) throw new WireError(`Unknown error code ${String(fields[0])}`);
  return new StoreError(
    code,
    asText(fields[1]),
    fields[2] === null ? {} : { compactRevision: asInteger(fields[2]) },
  );
}

export function watchFields(request: WatchRequest): unknown[] {
  const flags = (request.prevKv === true ? 1 : 0) | (request.progressNotify === true ? 2 : 0) |
    (request.noPut === true ? 4 : 0) | (request.noDelete === true ? 8 : 0);
  return [request.key, request.rangeEnd ?? null, request.startRevision ?? 0, flags];
}

export function asWatch(fields: readonly unknown[]): WatchRequest {
  const flags = asInteger(fields[3]);
  return {
    key: asBytes(fields[0]),
    ...(fields[1] === null ? {} : { rangeEnd: asBytes(fields[1]) }),
    startRevision: asInteger(fields[2]),
    prevKv: (flags & 1) !== 0,
    progressNotify: (flags & 2) !== 0,
    noPut: (flags & 4) !== 0,
    noDelete: (flags & 8) !== 0,
  };
}

/** No msgpack value starts with it: the frame is a part of a message; the byte after it is 1 in the last part. */
const fragmentMark = 0xc1;

/** Sends one message of any length as frames of a bounded one. */
export function sendMessage(connection: { send(frame: Uint8Array): void }, message: Uint8Array): void {
  if (message.length <= storeLimits.fragmentBytesMax) return connection.send(message);
  for (let at = 0; at < message.length; at += storeLimits.fragmentBytesMax) {
    const part = message.subarray(at, at + storeLimits.fragmentBytesMax);
    const last = at + part.length === message.length ? 1 : 0;
    connection.send(concatBytes([new Uint8Array([fragmentMark, last]), part]));
  }
}

/** Puts messages together again; the parts of one come without another between them. */
export class MessageReader {
  #parts: Uint8Array[] = [];
  #length = 0;

  /** The message that `frame` completes, or null. Throws WireError when it grows over the bound. */
  push(frame: Uint8Array): Uint8Array | null {
    if (frame[0] !== fragmentMark) return frame;
    this.#parts.push(frame.subarray(2));
    this.#length += frame.length - 2;
    if (this.#length > storeLimits.messageBytesMax) throw new WireError(`A message is over ${this.#length} bytes`);
    if (frame[1] !== 1) return null;
    const message = concatBytes(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return message;
  }
}
