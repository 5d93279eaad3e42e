import type { Counter } from "../../platform/mod.ts";
import { handoverElections } from "../raft/limits.ts";
import type { RaftStatus } from "../raft/mod.ts";
import type { Requests } from "./requests.ts";
import { input, type ReplicaState } from "./state.ts";

/** Who leads: noticing that it changed, telling who wants to know, and handing it over. */
export class Leadership<R> {
  readonly #state: ReplicaState;
  readonly #requests: Requests<R>;
  readonly #listeners = new Set<(leaderId: string | null) => void>();
  readonly #elections: Counter;
  readonly #changes: Counter;
  #leaderId: string | null = null;
  #role: RaftStatus["role"] = "follower";

  constructor(state: ReplicaState, requests: Requests<R>) {
    this.#state = state;
    this.#requests = requests;
    this.#elections = state.deps.metrics.counter(
      "store_raft_elections_total",
      "Elections: those that this member began (preCandidate), stood in (candidate), won (leader); leaders it lost (lost).",
    );
    this.#changes = state.deps.metrics.counter(
      "etcd_server_leader_changes_seen_total",
      "Leaders that came, as seen here.",
    );
    this.#changes.add(0);
  }

  onChange(listener: (leaderId: string | null) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Looks whether role or leader are others than at the last look. */
  notice(): void {
    const { raft, config, deps, tick } = this.#state;
    const { role, leader, term } = raft.status();
    if (this.#role === "leader" && role !== "leader") {
      this.#requests.proposals.hasten(tick + config.timers.electionTicks);
    }
    // Experiments on live clusters read these notes: when was the leader suspected, when were votes asked for.
    if (role !== this.#role) {
      deps.log.info("role changed", { role, term });
      if (role !== "follower") this.#elections.add(1, { stage: role });
    }
    this.#role = role;
    if (leader === this.#leaderId) return;
    if (leader === null) this.#elections.add(1, { stage: "lost" });
    else this.#changes.add();
    this.#leaderId = leader;
    deps.log.info("leader changed", { leader: leader ?? "", term });
    this.#requests.reads.again(); // the one that was asked may be gone
    this.#state.wake();
    for (const listener of this.#listeners) listener(leader);
  }

  async transfer(target?: string): Promise<void> {
    const { raft, config, deps } = this.#state;
    const { id, timers } = config;
    const { voters } = raft.status().configuration;
    const to = target ?? this.#mostCaughtUp(voters.filter((member) => member !== id));
    if (to === undefined || raft.status().role !== "leader") return;
    input(this.#state, () => raft.transferLeadership(to));
    // To a chosen member: until it is known to lead, for between the two leaders there is a moment with none.
    const handingOver = () => {
      const { role, leader } = raft.status();
      return role === "leader" || (target !== undefined && leader === null);
    };
    for (let i = 0; i < handoverElections * timers.electionTicks && handingOver(); i++) {
      await deps.timers.sleep(timers.tickMs);
    }
  }

  /** The core knows which member has most of the log; the one first in the list is as good as any when it does not. */
  #mostCaughtUp(others: readonly string[]): string | undefined {
    const matchOf = (member: string) => this.#state.raft.progress(member)?.match ?? 0;
    return others.toSorted((a, b) => matchOf(b) - matchOf(a))[0];
  }
}
