import type { Clock, Millis, Random, Timers } from "../mod.ts";
import { resendMs } from "./limits.ts";

/** What is wrong with one direction of one link. The words are the simulator's (`platform/sim/links.ts`). */
export interface LinkCondition {
  /** Nothing arrives, nothing is refused: what is sent waits, as a TCP stream's bytes do, until the link is healed. */
  readonly cut: boolean;
  readonly delayMs: Millis;
  /** Up to this much more, evenly spread. */
  readonly jitterMs: Millis;
  /** Share of segments lost on the way; a reliable stream resends each after 200 ms. */
  readonly lossRate: number;
}

/** What `from` sends to `to` meets this condition, whoever of the two dialled. */
export interface LinkRule extends LinkCondition {
  readonly from: string;
  readonly to: string;
}

/**
 * One direction of one link as it stands now. Whoever moves bytes asks `condition` first: null, the only value without
 * faults, costs one read of a field.
 */
export class Direction {
  #condition: LinkCondition | null = null;
  readonly #deps: { readonly timers: Timers; readonly random: Random };
  readonly #changed = new Set<() => void>();

  constructor(deps: { readonly timers: Timers; readonly random: Random }) {
    this.#deps = deps;
  }

  get condition(): LinkCondition | null {
    return this.#condition;
  }

  set(condition: LinkCondition | null): void {
    this.#condition = condition;
    for (const notify of [...this.#changed]) notify();
  }

  /** @return ends the subscription */
  onChange(notify: () => void): () => void {
    this.#changed.add(notify);
    return () => void this.#changed.delete(notify);
  }

  /** How long the next segment takes, loss included. */
  drawDelayMs(): Millis {
    const condition = this.#condition;
    if (condition === null) return 0;
    const { random } = this.#deps;
    const lost = condition.lossRate > 0 && random.next() < condition.lossRate;
    return condition.delayMs + condition.jitterMs * random.next() + (lost ? resendMs : 0);
  }

  /** Resolves when one segment has got through; rejects with the signal's reason. For what has an order of its own. */
  async pass(signal?: AbortSignal | null): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#condition === null) return;
      if (!this.#condition.cut) break;
      await this.#change(signal ?? null);
    }
    const delayMs = this.drawDelayMs();
    if (delayMs > 0) await this.#deps.timers.sleep(delayMs, signal ?? undefined);
  }

  #change(signal: AbortSignal | null): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        unsubscribe();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const unsubscribe = this.onChange(done);
      signal?.addEventListener("abort", done, { once: true });
    });
  }
}

/** Both directions, seen from the process that dials. */
export interface Link {
  readonly out: Direction;
  readonly in: Direction;
}

export interface LinkFaultsConfig {
  /** The name of this process's component. */
  readonly self: string;
  /** Who listens at an address (`unix:...`, `tcp:host:port`); null: no component, so never disturbed. */
  readonly nameOf: (address: string) => string | null;
}

/**
 * The faults of every link that this process dials. A link belongs to its dialler, who disturbs both directions: the
 * other end cannot tell from a unix socket who called.
 */
export class LinkFaults {
  readonly #config: LinkFaultsConfig;
  readonly #deps: { readonly clock: Clock; readonly timers: Timers; readonly random: Random };
  readonly #links = new Map<string, Link>();
  #rules: readonly LinkRule[] = [];

  constructor(
    config: LinkFaultsConfig,
    deps: { readonly clock: Clock; readonly timers: Timers; readonly random: Random },
  ) {
    this.#config = config;
    this.#deps = deps;
  }

  get clock(): Clock {
    return this.#deps.clock;
  }

  get timers(): Timers {
    return this.#deps.timers;
  }

  /** Replaces all rules; the last one that names a direction holds. Connections that are open feel it at once. */
  set(rules: readonly LinkRule[]): void {
    this.#rules = rules;
    for (const [name, link] of this.#links) this.#apply(name, link);
  }

  /** The link to whoever listens at `address`; null when that is no component. The same for every address of one name. */
  to(address: string): Link | null {
    const name = this.#config.nameOf(address);
    if (name === null) return null;
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const link = { out: new Direction(this.#deps), in: new Direction(this.#deps) };
    this.#links.set(name, link);
    this.#apply(name, link);
    return link;
  }

  #apply(name: string, link: Link): void {
    const { self } = this.#config;
    const rule = (from: string, to: string) =>
      this.#rules.findLast((each) => each.from === from && each.to === to) ?? null;
    const changes: [Direction, LinkCondition | null][] = [
      [link.out, rule(self, name)],
      [link.in, rule(name, self)],
    ];
    for (const [direction, condition] of changes) if (direction.condition !== condition) direction.set(condition);
  }
}
