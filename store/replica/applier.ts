import { invariant } from "../../base/assert.ts";
import type { Entry, Save } from "../raft/messages.ts";
import { changed, type Requests } from "./requests.ts";
import type { OwnSnapshots } from "./snapshots.ts";
import type { ReplicaState } from "./state.ts";
import type { Machine } from "./types.ts";

/** Takes what is committed into the machine, in the log's order, and answers who waited for it. */
export class Applier<R> {
  readonly #state: ReplicaState;
  readonly #machine: Machine<R>;
  readonly #requests: Requests<R>;
  readonly #snapshots: OwnSnapshots<R>;

  constructor(state: ReplicaState, machine: Machine<R>, requests: Requests<R>, snapshots: OwnSnapshots<R>) {
    this.#state = state;
    this.#machine = machine;
    this.#requests = requests;
    this.#snapshots = snapshots;
  }

  apply(committed: readonly Entry[]): void {
    if (committed.length === 0) return;
    const state = this.#state;
    let bytes = 0;
    for (const entry of committed) {
      invariant(entry.index === state.appliedIndex + 1, `entry ${entry.index} follows ${state.appliedIndex}`);
      const result = this.#applyOne(entry);
      state.appliedIndex = entry.index;
      state.appliedTerm = entry.term;
      bytes += entry.data.length;
      this.#requests.proposals.applied(entry.index, entry.term, result);
    }
    this.#snapshots.logGrew(committed.length, bytes);
    this.#requests.reads.applied(state.appliedIndex);
    state.failpoint("afterApply");
  }

  #applyOne(entry: Entry): { readonly value: R | typeof changed } | null {
    switch (entry.kind) {
      case "noop":
        return null;
      case "command":
        return { value: this.#machine.apply(entry.index, entry.data) };
      case "config":
        this.#state.roster.apply(entry, this.#state);
        return { value: changed };
    }
  }

  /** The leader's snapshot, durable by now, takes the place of all that was applied before. */
  install({ point, data }: NonNullable<Save["snapshot"]>): void {
    const state = this.#state;
    this.#snapshots.overtaken(data.length);
    this.#machine.restore(state.roster.restore(data));
    state.roster.meet(state.transport);
    state.appliedIndex = point.index;
    state.appliedTerm = point.term;
    this.#requests.proposals.covered(point.index);
    this.#requests.reads.applied(point.index);
  }
}
