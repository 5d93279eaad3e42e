import assert from "node:assert/strict";
import { atLeast, latest } from "./resource_version.ts";

Deno.test("atLeast() compares resourceVersions as numbers of any length", () => {
  assert.equal(atLeast("10", "9"), true);
  assert.equal(atLeast("9", "10"), false);
  assert.equal(atLeast("10", "10"), true);
  assert.equal(atLeast("9007199254740993", "9007199254740992"), true);
  assert.equal(atLeast("9007199254740992", "9007199254740993"), false);
  assert.equal(atLeast("", "1"), false);
  assert.equal(atLeast("0", ""), true);
  assert.equal(latest("2", "11"), "11");
});
