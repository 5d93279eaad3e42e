import { Deque } from "../../base/deque.ts";
import { invariant } from "../../base/assert.ts";
import type { LogIndex } from "./messages.ts";
import { Patience } from "./patience.ts";

/**
 * What a leader knows of one follower.
 *
 *     probe --accepted--> replicate --refused, unreachable--> probe
 *     probe --entries compacted--> snapshot --sent or failed--> probe
 *
 * probe: where the logs agree is unknown, one append a heartbeat. replicate: appends are pipelined, `next` runs ahead.
 * snapshot: nothing is sent until the transfer ends. Invariant: match < next.
 */
export class Progress {
  #state: "probe" | "replicate" | "snapshot" = "probe";
  #match: LogIndex = 0;
  /** Where to begin while nothing is known. */
  readonly #first: LogIndex;
  #next: LogIndex;
  #snapshotIndex: LogIndex = 0;
  /** In probe: one append is out, wait for its answer or the next heartbeat's. */
  #probeSent = false;
  /** Last indexes of the appends in flight, ascending. */
  readonly #inflight = new Deque<LogIndex>();
  readonly #maxInflight: number;
  /** With its silence, for check-quorum. */
  readonly patience: Patience;
  /** The commit index the follower was last told. */
  sentCommit: LogIndex = 0;
  /** Someone waits there for what is committed. Until the follower says otherwise, someone does. */
  wantsCommits = true;
  /** It must hear of commits up to here soon, whether or not it wants them. */
  owedCommit: LogIndex = 0;
  /** Send an append even if it is empty: a heartbeat's answer showed that one may have been lost. */
  nudge = false;

  /** @param next the first entry that it may lack @param patience what earlier leads have taught */
  constructor(next: LogIndex, maxInflight: number, patience: Patience) {
    this.#first = next;
    this.#next = next;
    this.patience = patience;
    this.#maxInflight = maxInflight;
  }

  get state(): "probe" | "replicate" | "snapshot" {
    return this.#state;
  }
  get match(): LogIndex {
    return this.#match;
  }
  get next(): LogIndex {
    return this.#next;
  }
  get snapshotIndex(): LogIndex {
    return this.#snapshotIndex;
  }
  get inflight(): number {
    return this.#inflight.size;
  }

  /** News of a commit should travel alone when there are no entries to take it along. */
  get commitIsUrgent(): boolean {
    return this.wantsCommits || this.owedCommit > this.sentCommit;
  }

  get paused(): boolean {
    if (this.#state === "snapshot") return true;
    return this.#state === "probe" ? this.#probeSent : this.#inflight.size >= this.#maxInflight;
  }

  becomeProbe(): void {
    const after = this.#state === "snapshot" ? this.#snapshotIndex : 0;
    this.#become("probe");
    this.#next = Math.max(this.#match, after) + 1;
    if (this.#next === 1) this.#next = this.#first;
  }

  becomeReplicate(): void {
    this.#become("replicate");
    this.#next = this.#match + 1;
  }

  /** It voted for us, so its log most likely ends where ours does: do not wait for the first append's answer. */
  presumeEqual(): void {
    this.#become("replicate");
  }

  becomeSnapshot(index: LogIndex): void {
    this.#become("snapshot");
    this.#snapshotIndex = index;
  }

  /** The transfer ended without success: probe from where we were, at the next heartbeat's answer. */
  snapshotFailed(): void {
    this.#snapshotIndex = 0;
    this.becomeProbe();
    this.#probeSent = true;
  }

  /** Wait for the answer that a delivered snapshot or a probe brings. */
  pauseProbe(): void {
    this.#probeSent = true;
  }

  #become(state: "probe" | "replicate" | "snapshot"): void {
    this.#state = state;
    this.#snapshotIndex = 0;
    this.#probeSent = false;
    this.#inflight.clear();
    this.sentCommit = 0;
  }

  /** An append that ended at `last` was sent; `count` entries of it. */
  sent(last: LogIndex, count: number): void {
    this.nudge = false;
    if (this.#state === "probe") this.#probeSent = true;
    else if (count > 0) {
      invariant(this.#state === "replicate" && last >= this.#next, "appends are sent in order");
      this.#next = last + 1;
      this.#inflight.push(last);
    }
  }

  /** @return whether `match` rose */
  accepted(match: LogIndex): boolean {
    const rose = match > this.#match;
    if (rose) this.#match = match;
    this.#next = Math.max(this.#next, match + 1);
    this.#probeSent = false;
    for (let first = this.#inflight.at(0); first !== undefined && first <= match; first = this.#inflight.at(0)) {
      this.#inflight.shift();
    }
    return rose;
  }

  /**
   * @param refused the refused append's `prevIndex` @param retryAt where to try next
   * @return false for an answer that is stale (an older probe's, or one that `match` contradicts)
   */
  refused(refused: LogIndex, retryAt: LogIndex): boolean {
    if (this.#state === "snapshot") return false;
    if (this.#state === "replicate") {
      if (refused <= this.#match) return false;
      this.becomeProbe();
      this.#next = Math.max(Math.min(refused, retryAt + 1), this.#match + 1);
      return true;
    }
    if (this.#next - 1 !== refused) return false;
    this.#next = Math.max(Math.min(refused, retryAt + 1), this.#match + 1);
    this.#probeSent = false;
    return true;
  }

  /** The follower answered a heartbeat: it is alive, so a paused flow may move by one message. */
  heartbeatAnswered(lastIndex: LogIndex): void {
    this.#probeSent = false;
    if (this.#inflight.size >= this.#maxInflight) this.#inflight.shift();
    if (this.#match < lastIndex) this.nudge = true;
  }

  /** Messages to it were lost: what is in flight cannot be counted on. */
  unreachable(): void {
    if (this.#state === "replicate") this.becomeProbe();
  }
}
