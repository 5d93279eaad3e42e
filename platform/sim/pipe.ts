import { Deque } from "../../base/deque.ts";
import type { Life } from "./life.ts";
import type { Links } from "./links.ts";
import type { Scheduler } from "./scheduler.ts";

interface Segment {
  readonly payload: unknown;
  readonly bytes: number;
  /** Arrives then at the earliest, virtual milliseconds. */
  readonly at: number;
}

/** What one direction of a connection needs from the world. */
export interface PipeWorld {
  readonly scheduler: Scheduler;
  readonly links: Links;
  /** A connection that could not deliver anything for so long is given up (TCP_USER_TIMEOUT). */
  readonly stallTimeoutMs: number;
  /** Pipes that a partition holds; healing arms them again, in this order. */
  readonly parked: Set<Pipe>;
}

/**
 * One direction of a reliable connection: segments arrive in order, each once, or not at all any more. A partition
 * holds them, as TCP would by resending; a machine that has gone answers with a reset once it answers again.
 */
export class Pipe {
  readonly #world: PipeWorld;
  readonly #from: Life;
  readonly #to: Life;
  readonly #queue = new Deque<Segment>();
  #lastAt = 0;
  #armed = false;
  #paused = false;
  #closed = false;
  #stalledSince: number | null = null;
  #undeliveredBytes = 0;
  /** At the receiver. */
  onDeliver: (payload: unknown) => void = () => {};
  /** At the sender, after each delivery: {@linkcode undeliveredBytes} has shrunk. */
  onDrained: () => void = () => {};
  /** The connection has broken; called at most once. */
  onBroken: (reason: string) => void = () => {};

  constructor(world: PipeWorld, from: Life, to: Life) {
    this.#world = world;
    this.#from = from;
    this.#to = to;
  }

  get undeliveredBytes(): number {
    return this.#undeliveredBytes;
  }

  send(payload: unknown, bytes: number): void {
    if (this.#closed) return;
    const { scheduler, links } = this.#world;
    const { from, to } = this.#names();
    if (links.resets(from, to)) return this.#break("connection reset");
    this.#lastAt = Math.max(this.#lastAt, scheduler.nowMs + links.delay(from, to));
    this.#queue.push({ payload, bytes, at: this.#lastAt });
    this.#undeliveredBytes += bytes;
    this.arm();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.arm();
  }

  close(): void {
    this.#closed = true;
    this.#undeliveredBytes = 0;
    this.#queue.clear();
    this.#world.parked.delete(this);
  }

  arm(): void {
    const head = this.#queue.at(0);
    if (head === undefined || this.#armed || this.#closed || this.#paused) return;
    this.#armed = true;
    const { from, to } = this.#names();
    const at = Math.max(head.at, this.#world.links.cloggedUntil(from, to), this.#to.machine.stalledUntilMs);
    this.#world.scheduler.schedule(at - this.#world.scheduler.nowMs, "deliver", () => {
      this.#armed = false;
      this.#deliver();
    }, head.bytes);
  }

  #names(): { from: string; to: string } {
    return { from: this.#from.machine.name, to: this.#to.machine.name };
  }

  #deliver(): void {
    if (this.#closed || this.#paused) return;
    const { links, scheduler } = this.#world;
    const { from, to } = this.#names();
    const machine = this.#to.machine;
    if (links.blocked(from, to) || (!this.#to.alive && !machine.answering)) return this.#park();
    this.#stalledSince = null;
    if (!this.#to.alive) return this.#break("connection reset by a restarted peer");
    const late = Math.max(links.cloggedUntil(from, to), machine.stalledUntilMs);
    if (late > scheduler.nowMs) return this.arm();
    const segment = this.#queue.shift();
    if (segment === undefined) return;
    this.#undeliveredBytes -= segment.bytes;
    this.arm();
    this.onDeliver(segment.payload);
    if (this.#from.alive) this.onDrained();
  }

  #park(): void {
    const { scheduler, parked, stallTimeoutMs } = this.#world;
    parked.add(this);
    if (this.#stalledSince !== null) return;
    const since = scheduler.nowMs;
    this.#stalledSince = since;
    scheduler.schedule(stallTimeoutMs, "stall timeout", () => {
      if (this.#stalledSince === since && !this.#closed) this.#break("timed out");
    });
  }

  #break(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.onBroken(reason);
  }
}
