import { invariant } from "../../base/assert.ts";
import type { Configuration } from "./configuration.ts";
import type { LogIndex, MemberId } from "./messages.ts";

/**
 * The arithmetic of agreement among one set of voters, knowing nothing else of Raft. Injected into the core: tests prove
 * their checkers with quorums that are wrong on purpose.
 */
export interface Quorum {
  /** The highest index that a quorum has. @param matches one index a voter */
  committed(matches: readonly number[]): number;
  /** @param granted and refused are counts of voters */
  outcome(votes: { granted: number; refused: number; voters: number }): Outcome;
}

export type Outcome = "won" | "lost" | "pending";

/** Any two majorities share a member (paper §5.2, §5.4.3). */
export const majorityQuorum: Quorum = {
  committed(matches: readonly number[]): number {
    invariant(matches.length > 0, "a quorum needs voters");
    const ascending = [...matches].sort((a, b) => a - b);
    return ascending[ascending.length - majority(ascending.length)] ?? 0;
  },
  outcome({ granted, refused, voters }): Outcome {
    const needed = majority(voters);
    if (granted >= needed) return "won";
    return refused > voters - needed ? "lost" : "pending";
  },
};

export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** The highest index that a quorum of each half of the configuration has (thesis §4.3). */
export function committedIn(
  quorum: Quorum,
  { voters, outgoing }: Configuration,
  matchOf: (voter: MemberId) => LogIndex,
): LogIndex {
  if (voters.length === 0) return 0;
  const incoming = quorum.committed(voters.map(matchOf));
  return outgoing.length === 0 ? incoming : Math.min(incoming, quorum.committed(outgoing.map(matchOf)));
}

/** Won when both halves are, lost when one is. @param voteOf undefined: has not answered */
export function outcomeIn(
  quorum: Quorum,
  { voters, outgoing }: Configuration,
  voteOf: (voter: MemberId) => boolean | undefined,
): Outcome {
  const incoming = outcomeAmong(quorum, voters, voteOf);
  if (outgoing.length === 0 || incoming === "lost") return incoming;
  const before = outcomeAmong(quorum, outgoing, voteOf);
  return before === "won" ? incoming : before;
}

function outcomeAmong(
  quorum: Quorum,
  voters: readonly MemberId[],
  voteOf: (voter: MemberId) => boolean | undefined,
): Outcome {
  if (voters.length === 0) return "pending";
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = voteOf(voter);
    if (vote === true) granted++;
    else if (vote === false) refused++;
  }
  return quorum.outcome({ granted, refused, voters: voters.length });
}
