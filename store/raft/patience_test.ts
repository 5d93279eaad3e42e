import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert";
import { patienceCeiling, patienceWindowTicks } from "./limits.ts";
import { Patience } from "./patience.ts";

function silence(patience: Patience, ticks: number): void {
  for (let i = 0; i < ticks; i++) patience.tick();
}

Deno.test("Patience grows with the silences that ended, not with the one that did not, and is forgotten", () => {
  const patience = new Patience(6);
  equal(patience.limitTicks, 6);
  for (let i = 0; i < 10; i++) {
    silence(patience, 1);
    patience.heard();
  }
  equal(patience.limitTicks, 6, "the usual silence is short");
  silence(patience, 4);
  equal(patience.limitTicks, 6);
  patience.heard();
  equal(patience.limitTicks, 12, "a silence of 4 was nothing");
  silence(patience, 11);
  deepEqual([patience.missing, patience.exhausted], [true, false]);
  silence(patience, 1);
  equal(patience.exhausted, true);
  patience.heard();
  silence(patience, 90);
  patience.heard();
  equal(patience.limitTicks, 6 * patienceCeiling, "bounded");
  for (let i = 0; i < 2 * patienceWindowTicks; i++) {
    patience.tick();
    patience.heard();
  }
  equal(patience.limitTicks, 6);
});

Deno.test("Patience learns from one that was given up in vain, and nothing from one that was replaced", () => {
  const patience = new Patience(6);
  silence(patience, 8);
  patience.begin();
  patience.heard();
  equal(patience.limitTicks, 6, "another one is heard");
  silence(patience, 8);
  patience.forgive();
  deepEqual([patience.silentTicks, patience.limitTicks], [0, 6]);
  silence(patience, 2);
  patience.heard();
  equal(patience.limitTicks, 30, "10 ticks of silence, and then it was there again");
});
