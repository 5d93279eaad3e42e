import type { Endpoint } from "./table.ts";

/** One client's datagrams to one service port, and where they go. */
export interface Flow {
  /** Of the binding and the client together. */
  readonly key: string;
  /** The binding's, `ip:port`. */
  readonly binding: string;
  readonly endpoint: Endpoint;
}

/**
 * Flows in order of last use, so that the oldest is always the first: what is to be evicted, or has been idle for too
 * long, is found without looking at the others. Times are monotonic milliseconds.
 */
export class FlowTable<F extends Flow> {
  readonly #bound: number;
  readonly #idleMs: number;
  readonly #flows = new Map<string, { readonly flow: F; usedMs: number }>();

  constructor(bound: number, idleMs: number) {
    this.#bound = bound;
    this.#idleMs = idleMs;
  }

  get size(): number {
    return this.#flows.size;
  }

  /** The flow, used now. */
  use(key: string, now: number): F | null {
    const known = this.#flows.get(key);
    if (known === undefined) return null;
    known.usedMs = now;
    this.#flows.delete(key);
    this.#flows.set(key, known);
    return known.flow;
  }

  /** @returns the flow that had to make room, if any */
  add(flow: F, now: number): F | null {
    this.#flows.set(flow.key, { flow, usedMs: now });
    if (this.#flows.size <= this.#bound) return null;
    for (const [key, oldest] of this.#flows) {
      this.#flows.delete(key);
      return oldest.flow;
    }
    return null;
  }

  /** Takes out and returns what has been idle for too long. */
  expire(now: number): F[] {
    const expired: F[] = [];
    for (const [key, { flow, usedMs }] of this.#flows) {
      if (now - usedMs < this.#idleMs) break;
      this.#flows.delete(key);
      expired.push(flow);
    }
    return expired;
  }

  /** Takes out and returns the flows that `keep` refuses. */
  retain(keep: (flow: F) => boolean): F[] {
    const dropped: F[] = [];
    for (const [key, { flow }] of this.#flows) {
      if (keep(flow)) continue;
      this.#flows.delete(key);
      dropped.push(flow);
    }
    return dropped;
  }
}
