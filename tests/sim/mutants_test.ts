import { fail, match } from "node:assert/strict";
import { type MutantName, mutantNames } from "./mutants.ts";
import { runSeed, SimFailure } from "./run.ts";

/** How many seeds a mutant may survive. From measured rates, with room: a lease read shows in one of 15 seeds. */
const caughtWithin: Readonly<Record<MutantName, readonly [seeds: number, saying: RegExp]>> = {
  skipSync: [10, /durable|damaged|lost|cannot start/],
  ackBeforeQuorum: [20, /State Machine Safety|lost|not linearizable/],
  leaseReadWithoutCheck: [60, /not linearizable/],
  voteNotPersisted: [10, /§5\.2/],
};

for (const mutant of mutantNames) {
  const [seeds, saying] = caughtWithin[mutant];
  Deno.test(`the checkers catch members with ${mutant} within ${seeds} seeds`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        await runSeed(seed, { mutant });
      } catch (error) {
        if (!(error instanceof SimFailure)) throw error;
        return match(error.message, saying);
      }
    }
    fail(`${mutant} survived ${seeds} seeds`);
  });
}
