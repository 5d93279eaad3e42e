import { ok } from "node:assert/strict";
import fc from "fast-check";
import { runs, seed } from "./budget.ts";
import { targets } from "./targets.ts";

for (const { name, property, accepted } of targets) {
  Deno.test(`fuzz, ${runs} inputs from seed ${seed}: ${name}`, () => {
    fc.assert(property, { numRuns: runs, seed });
    ok(accepted() > runs / 100, `only ${accepted()} of ${runs} inputs got past the parser`);
  });
}
