import { idleConnectionMs, requestHeadMs } from "../limits.ts";
import type { Clock, Timer, Timers } from "../mod.ts";

/** What durations are measured by. */
export interface Time {
  readonly clock: Pick<Clock, "monotonic">;
  readonly timers: Pick<Timers, "schedule">;
}

/**
 * How long an HTTP/1.1 client takes: for a request's head, from its first byte (the first head: from the connection's
 * beginning), and between two requests. While a request is with its handler its time is the handler's matter: a watch
 * lasts for hours. The figures are kube-apiserver's ReadHeaderTimeout and IdleTimeout.
 *
 * One timer a connection, set anew when it fires and not for each request; never for longer than a head may take, so
 * that no deadline lies before it.
 */
export class RequestTimes {
  readonly #time: Time;
  readonly #onLate: () => void;
  #timer: Timer;
  #inHead = true;
  #since: number;
  #withHandler = 0;

  /** @param onLate the client has taken too long; called once at most, never after `release` */
  constructor(time: Time, onLate: () => void) {
    this.#time = time;
    this.#onLate = onLate;
    this.#since = time.clock.monotonic();
    this.#timer = time.timers.schedule(requestHeadMs, () => this.#check());
  }

  /** Bytes have come. */
  received(): void {
    if (this.#inHead || this.#withHandler > 0) return;
    this.#inHead = true;
    this.#since = this.#time.clock.monotonic();
  }

  /** Bytes of an answer have gone to the client: it takes its time to read, and is not idle. */
  sent(): void {
    if (!this.#inHead && this.#withHandler === 0) this.#since = this.#time.clock.monotonic();
  }

  /** A request is with its handler. */
  begun(): void {
    this.#withHandler++;
    this.#inHead = false;
  }

  /** It has been answered to the end. */
  ended(): void {
    this.#withHandler--;
    this.#since = this.#time.clock.monotonic();
  }

  /** The connection has ended, or speaks something else from now on. */
  release(): void {
    this.#timer.cancel();
  }

  #check(): void {
    const now = this.#time.clock.monotonic();
    const left = this.#withHandler > 0
      ? requestHeadMs
      : this.#since + (this.#inHead ? requestHeadMs : idleConnectionMs) - now;
    if (left <= 0) return this.#onLate();
    this.#timer = this.#time.timers.schedule(Math.min(left, requestHeadMs), () => this.#check());
  }
}
