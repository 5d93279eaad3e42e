import type { Transport } from "../peer/transport.ts";
import type { RaftCore } from "../raft/mod.ts";
import type { Storage } from "../wal/open.ts";
import type { Roster } from "./roster.ts";
import type { FailpointName, ReplicaConfig, ReplicaDeps, ReplicaRule } from "./types.ts";

/** What the parts of one replica share: what it is made of, how far it has come, and how to act on the whole of it. */
export interface ReplicaState {
  readonly config: ReplicaConfig;
  readonly deps: ReplicaDeps;
  readonly storage: Storage;
  readonly raft: RaftCore;
  readonly transport: Transport;
  readonly roster: Roster;
  /** After so many a proposal or a read without an outcome is given up. */
  readonly requestTicks: number;
  readonly failpoint: (name: FailpointName) => void;
  readonly without: ReplicaRule | null;

  /** Once stopped, nothing goes in or out any more: whoever comes back from waiting looks here. */
  phase: "running" | "stopping" | "stopped";
  /** Of this process's time. */
  tick: number;
  /** The newest entry that the machine has applied, alone or by a snapshot. */
  appliedIndex: number;
  appliedTerm: number;

  /** There may be something to do: runs the Ready loop once, after all that this turn brings. */
  readonly wake: () => void;
  /** The disk failed or a bug showed: nothing that is known can be trusted any more, so the member stops. */
  readonly fail: (error: unknown) => void;
}

/** Every input goes through here: a bug in the core stops the member instead of being lost in a callback. */
export function input(state: ReplicaState, step: () => void): void {
  if (state.phase === "stopped") return;
  try {
    step();
  } catch (error) {
    return state.fail(error);
  }
  state.wake();
}
