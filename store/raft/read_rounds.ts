import { Deque } from "../../base/deque.ts";
import type { LogIndex, MemberId } from "./messages.ts";

export interface ReadRequest {
  readonly from: MemberId;
  readonly context: number;
}

interface Round {
  readonly sequence: number;
  readonly index: LogIndex;
  readonly requests: readonly ReadRequest[];
  readonly echoes: Set<MemberId>;
}

/**
 * Reads without the log (thesis §6.4): note the commit index, prove by a quorum of heartbeat echoes that no newer
 * leader existed when the reads came in, answer with the index. Reads that wait together share a round.
 */
export class ReadRounds {
  #waiting: ReadRequest[] = [];
  readonly #rounds = new Deque<Round>();
  #sequence = 0;
  #size = 0;

  /** Reads accepted and not yet answered. */
  get size(): number {
    return this.#size;
  }
  /** The newest round's number; every heartbeat carries it, so a lost one is made up for by the next. */
  get sequence(): number {
    return this.#sequence;
  }
  get waiting(): number {
    return this.#waiting.length;
  }

  add(request: ReadRequest): void {
    this.#waiting.push(request);
    this.#size++;
  }

  /** Starts a round for all that wait. @param index the commit index now */
  open(self: MemberId, index: LogIndex): void {
    this.#sequence++;
    this.#rounds.push({ sequence: this.#sequence, index, requests: this.#waiting, echoes: new Set([self]) });
    this.#waiting = [];
  }

  echo(from: MemberId, sequence: number): void {
    for (let i = 0; i < this.#rounds.size; i++) {
      const round = this.#rounds.at(i);
      if (round === undefined || round.sequence > sequence) return;
      round.echoes.add(from);
    }
  }

  /** Reads that a quorum has confirmed, oldest first. */
  takeConfirmed(isQuorum: (echoes: ReadonlySet<MemberId>) => boolean): { request: ReadRequest; index: LogIndex }[] {
    const confirmed: { request: ReadRequest; index: LogIndex }[] = [];
    for (;;) {
      const round = this.#rounds.at(0);
      if (round === undefined) break;
      if (!isQuorum(round.echoes)) break;
      this.#rounds.shift();
      this.#size -= round.requests.length;
      for (const request of round.requests) confirmed.push({ request, index: round.index });
    }
    return confirmed;
  }

  /** Leadership ended: whoever asked must ask again. The sequence goes on, so that an old echo confirms nothing. */
  clear(): void {
    this.#waiting = [];
    this.#rounds.clear();
    this.#size = 0;
  }
}
