import { invariant } from "../../base/assert.ts";

/**
 * The arithmetic of agreement, knowing nothing else of Raft, so that joint consensus (thesis §4.3) can replace it.
 * Injected into the core: tests prove their checkers with quorums that are wrong on purpose.
 */
export interface Quorum {
  /** The highest index that a quorum has. @param matches one index a voter */
  committed(matches: readonly number[]): number;
  /** @param granted and refused are counts of voters */
  outcome(votes: { granted: number; refused: number; voters: number }): "won" | "lost" | "pending";
}

/** Any two majorities share a member (paper §5.2, §5.4.3). */
export const majorityQuorum: Quorum = {
  committed(matches: readonly number[]): number {
    invariant(matches.length > 0, "a quorum needs voters");
    const ascending = [...matches].sort((a, b) => a - b);
    return ascending[ascending.length - majority(ascending.length)] ?? 0;
  },
  outcome({ granted, refused, voters }): "won" | "lost" | "pending" {
    const needed = majority(voters);
    if (granted >= needed) return "won";
    return refused > voters - needed ? "lost" : "pending";
  },
};

export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}
