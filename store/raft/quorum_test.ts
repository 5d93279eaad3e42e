import { equal } from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import { majority, majorityQuorum } from "./quorum.ts";

/** The dumb twin: the highest index for which enough voters are counted, one index at a time. */
function committedByCounting(matches: readonly number[]): number {
  let best = 0;
  for (const candidate of matches) {
    let having = 0;
    for (const match of matches) if (match >= candidate) having++;
    if (having >= majority(matches.length)) best = Math.max(best, candidate);
  }
  return best;
}

Deno.test("majorityQuorum.committed() equals counting voters one by one, 20,000 random cases", () => {
  const random = prng(11);
  for (let round = 0; round < 20_000; round++) {
    const matches = Array.from({ length: 1 + random.int(7) }, () => random.int(12));
    equal(majorityQuorum.committed(matches), committedByCounting(matches), matches.join(","));
  }
});

Deno.test("majorityQuorum.outcome() is won or lost exactly when no further vote can change it (paper §5.2)", () => {
  for (let voters = 1; voters <= 7; voters++) {
    for (let granted = 0; granted <= voters; granted++) {
      for (let refused = 0; refused + granted <= voters; refused++) {
        const open = voters - granted - refused;
        const surelyWon = granted * 2 > voters;
        const surelyLost = (granted + open) * 2 <= voters;
        const want = surelyWon ? "won" : surelyLost ? "lost" : "pending";
        equal(majorityQuorum.outcome({ granted, refused, voters }), want, `${granted}/${refused}/${voters}`);
      }
    }
  }
});

Deno.test("majority() of any two sets of voters overlaps (paper §5.4.3)", () => {
  for (let voters = 1; voters <= 9; voters++) equal(2 * majority(voters) > voters, true);
});
