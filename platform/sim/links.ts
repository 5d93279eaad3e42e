import type { Prng } from "../../base/prng.ts";

export interface LinkOptions {
  /** One way, milliseconds. */
  readonly delayMs: number;
  /** Up to this much more, evenly spread. */
  readonly jitterMs: number;
  /** Share of segments lost on the way: the reliable stream above resends them after {@linkcode resendMs}. */
  readonly lossRate: number;
  /** Share of segments that break their connection instead of arriving. */
  readonly resetRate: number;
}

/** Linux's minimal retransmission timeout. */
const resendMs = 200;
const sameHost: LinkOptions = { delayMs: 0.02, jitterMs: 0.02, lossRate: 0, resetRate: 0 };
export const defaultLink: LinkOptions = { delayMs: 0.1, jitterMs: 0.1, lossRate: 0, resetRate: 0 };

function key(from: string, to: string): string {
  return `${from}\n${to}`;
}

/** The state of every one-way link between two machines. */
export class Links {
  readonly #random: Prng;
  readonly #options = new Map<string, LinkOptions>();
  readonly #blocked = new Set<string>();
  readonly #cloggedUntil = new Map<string, number>();
  #default: LinkOptions = defaultLink;

  constructor(random: Prng) {
    this.#random = random;
  }

  setDefault(options: Partial<LinkOptions>): void {
    this.#default = { ...this.#default, ...options };
  }

  set(from: string, to: string, options: Partial<LinkOptions>): void {
    this.#options.set(key(from, to), { ...this.#of(from, to), ...options });
  }

  /** Back to the default for every link. */
  clearOptions(): void {
    this.#options.clear();
    this.#default = defaultLink;
  }

  block(from: string, to: string): void {
    this.#blocked.add(key(from, to));
  }

  unblockAll(): void {
    this.#blocked.clear();
    this.#cloggedUntil.clear();
  }

  blocked(from: string, to: string): boolean {
    return this.#blocked.size > 0 && this.#blocked.has(key(from, to));
  }

  clog(from: string, to: string, untilMs: number): void {
    this.#cloggedUntil.set(key(from, to), untilMs);
  }

  cloggedUntil(from: string, to: string): number {
    return this.#cloggedUntil.size === 0 ? 0 : this.#cloggedUntil.get(key(from, to)) ?? 0;
  }

  /** How long the next segment takes, loss included. */
  delay(from: string, to: string): number {
    const link = this.#of(from, to);
    const lost = link.lossRate > 0 && this.#random.next() < link.lossRate;
    return link.delayMs + link.jitterMs * this.#random.next() + (lost ? resendMs : 0);
  }

  /** How long the next datagram takes; null when it gets lost. */
  datagramDelay(from: string, to: string): number | null {
    const link = this.#of(from, to);
    if (link.lossRate > 0 && this.#random.next() < link.lossRate) return null;
    return link.delayMs + link.jitterMs * this.#random.next();
  }

  /** Whether the next segment breaks its connection. */
  resets(from: string, to: string): boolean {
    const { resetRate } = this.#of(from, to);
    return resetRate > 0 && this.#random.next() < resetRate;
  }

  #of(from: string, to: string): LinkOptions {
    const own = this.#options.size === 0 ? undefined : this.#options.get(key(from, to));
    return own ?? (from === to ? sameHost : this.#default);
  }
}
