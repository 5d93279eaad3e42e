import { errorCode, type Http2Connection, type Http2Stream } from "../http2/mod.ts";
import { gatheredBodyMs, goAwayMs, idleConnectionMs, requestHeadMs } from "../limits.ts";
import type { Timer } from "../mod.ts";
import type { Time } from "./request_times.ts";

/**
 * How long an HTTP/2 client may have a connection without a request on it, and how long it may take for a body that its
 * handler has not seen yet. Looked at every {@linkcode requestHeadMs}, so a deadline may be missed by as much: neither
 * opening nor ending a stream sets a timer.
 */
export class StreamTimes {
  readonly #time: Time;
  readonly #connection: Http2Connection;
  readonly #gathering = new Map<Http2Stream, number>();
  #timer: Timer;
  #idleSince: number;
  /** A request came since the last look. */
  #used = false;

  constructor(time: Time, connection: Http2Connection) {
    this.#time = time;
    this.#connection = connection;
    this.#idleSince = time.clock.monotonic();
    this.#timer = this.#schedule();
  }

  /** A request has come. */
  begun(): void {
    this.#used = true;
  }

  /** Its body is being gathered, until the result is called. */
  gathering(stream: Http2Stream): () => void {
    this.#gathering.set(stream, this.#time.clock.monotonic());
    return () => void this.#gathering.delete(stream);
  }

  /** The connection has ended. */
  release(): void {
    this.#timer.cancel();
  }

  #schedule(): Timer {
    return this.#time.timers.schedule(requestHeadMs, () => this.#look());
  }

  #look(): void {
    const now = this.#time.clock.monotonic();
    for (const [stream, since] of [...this.#gathering]) {
      if (now - since < gatheredBodyMs) break; // the oldest comes first
      this.#gathering.delete(stream);
      stream.reset(errorCode.cancel);
    }
    if (this.#used || this.#connection.streams > 0) this.#idleSince = now;
    this.#used = false;
    if (now - this.#idleSince < idleConnectionMs) {
      this.#timer = this.#schedule();
      return;
    }
    this.#connection.announceEnd();
    this.#timer = this.#time.timers.schedule(goAwayMs, () => this.#connection.close());
  }
}
