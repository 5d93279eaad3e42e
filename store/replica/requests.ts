import type { ConfigurationChange } from "../raft/configuration.ts";
import type { ProposeChangeResult } from "../raft/mod.ts";
import { StoreError } from "../types.ts";
import { maxCommandBytes, maxWaitingReads } from "./limits.ts";
import type { ReplicaState } from "./state.ts";
import { ProposalWaiters, ReadWaiters } from "./waiters.ts";

/** What a waiting change of members is answered with. */
export const changed = Symbol("changed");

/** What callers want of the log: commands, changes of members, reads. Each waits here for its outcome. */
export class Requests<R> {
  readonly proposals = new ProposalWaiters<R | typeof changed>();
  readonly reads = new ReadWaiters();
  readonly #state: ReplicaState;
  /** One for all turns of the loop. */
  readonly #askRaft = (context: number): boolean => this.#state.raft.readIndex(context);

  constructor(state: ReplicaState) {
    this.#state = state;
  }

  propose(command: Uint8Array, onPlaced?: (index: number, term: number) => void): Promise<R> {
    const state = this.#state;
    if (state.phase === "stopped") return Promise.reject(notSent("the member has stopped"));
    if (command.length > maxCommandBytes) {
      const message = `Cannot propose ${command.length} bytes: the maximum is ${maxCommandBytes}`;
      return Promise.reject(new StoreError("TooLarge", message));
    }
    const proposed = state.raft.propose(command);
    if (!proposed.ok) return Promise.reject(this.#refusal(proposed.reason));
    onPlaced?.(proposed.index, proposed.term);
    return new Promise((resolve, reject) => {
      this.proposals.add(proposed.index, {
        term: proposed.term,
        resolve: (result) => result === changed ? reject(new Error("a change answered a command")) : resolve(result),
        reject,
        deadlineTick: this.#deadlineTick(),
      });
      state.wake();
    });
  }

  change(changes: readonly ConfigurationChange[], context: Uint8Array): Promise<void> {
    const state = this.#state;
    if (state.phase === "stopped") return Promise.reject(notSent("the member has stopped"));
    const proposed = state.raft.proposeChange(changes, context);
    if (!proposed.ok) return Promise.reject(this.#refusal(proposed.reason));
    const { index, term } = proposed;
    return new Promise((resolve, reject) => {
      this.proposals.add(index, { term, resolve: () => resolve(), reject, deadlineTick: this.#deadlineTick() });
      state.wake();
    });
  }

  readIndex(): Promise<void> {
    const state = this.#state;
    if (state.phase === "stopped") return Promise.reject(notSent("the member has stopped"));
    if (this.reads.size >= maxWaitingReads) return Promise.reject(notSent("too many reads wait"));
    return new Promise((resolve, reject) => {
      this.reads.add({ resolve, reject, deadlineTick: this.#deadlineTick() });
      state.wake();
    });
  }

  #deadlineTick(): number {
    return this.#state.tick + this.#state.requestTicks;
  }

  /** Puts the question that the waiting reads share, if there are any and none is out. */
  askForIndex(): void {
    const { tick, config } = this.#state;
    this.reads.ask(tick, 4 * config.timers.heartbeatTicks, this.#askRaft);
  }

  /** Gives up what has waited for too long. */
  tick(nowTick: number): void {
    this.proposals.expire(nowTick);
    this.reads.tick(nowTick);
  }

  failAll(why: string): void {
    this.proposals.failAll(why);
    this.reads.failAll(notSent(why));
  }

  #refusal(reason: Extract<ProposeChangeResult, { ok: false }>["reason"]): StoreError {
    const { leader } = this.#state.raft.status();
    switch (reason) {
      case "notLeader":
        return leader === null
          ? notSent("there is no leader")
          : new StoreError("NotLeader", `Cannot write: the leader is ${leader}`);
      case "transferring":
        return notSent("leadership is being handed over");
      case "full":
        return notSent("too many writes wait for a quorum");
      case "notReady":
        return notSent("the leader has not committed an entry of its term yet");
      case "pending":
        return notSent("another change of members is under way");
      case "invalid":
        return new StoreError("InvalidArgument", "Cannot change members: no voter would be left");
    }
  }
}

function notSent(why: string): StoreError {
  return new StoreError("NoLeader", `Cannot serve: ${why}`);
}
