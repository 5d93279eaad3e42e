import type { Timer, Timers } from "../platform/mod.ts";
import { storeLimits } from "./limits.ts";
import { encodeNote, noteKind } from "./notes.ts";

export interface SpaceWardenParts {
  readonly id: string;
  /** Null while none is known. */
  readonly leaderId: () => string | null;
  /** The NoSpace alarm of this member is on. */
  readonly raised: () => boolean;
  /** On the leader: lets everyone know. */
  readonly raise: (member: string) => void;
  readonly tell: (member: string, note: Uint8Array) => void;
  readonly timers: Timers;
}

/**
 * Gets the NoSpace alarm raised when this member's disk is full: by itself while it leads, otherwise by whoever does. Then
 * nothing is put any more, and the rest of the log's segment is left for the deletes and compactions that make room. Says
 * it again a few times, for a note may get lost and a leader be missing; a disk that stays full is noticed anew.
 */
export class SpaceWarden {
  readonly #parts: SpaceWardenParts;
  #timer: Timer | null = null;

  constructor(parts: SpaceWardenParts) {
    this.#parts = parts;
  }

  full(): void {
    this.#timer?.cancel();
    this.#say(storeLimits.noSpaceTries);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #say(tries: number): void {
    const { id, leaderId, raised, raise, tell, timers } = this.#parts;
    this.#timer = null;
    if (raised()) return;
    const leader = leaderId();
    if (leader === id) raise(id);
    else if (leader !== null) tell(leader, encodeNote(noteKind.noSpace));
    if (tries > 1) this.#timer = timers.schedule(storeLimits.noSpaceRetryMs, () => this.#say(tries - 1));
  }
}
