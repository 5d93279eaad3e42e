import { match, notEqual } from "node:assert/strict";
import { catchInCore, catchInSimulator, coreRules, simBounds } from "./mutant_table.ts";
import { mutantNames } from "./mutants.ts";

for (const mutant of mutantNames) {
  const [seeds, saying] = simBounds[mutant];
  Deno.test(`the checkers catch members with ${mutant} within ${seeds} seeds`, async () => {
    const caught = await catchInSimulator(mutant);
    notEqual(caught.by, null, `${mutant} survived`);
    match(caught.saying, saying);
  });
}

for (const rule of coreRules) {
  Deno.test(`a core without the rule ${rule[0]} is caught`, () => {
    notEqual(catchInCore(rule).by, null);
  });
}
