import assert from "node:assert/strict";
import { noteOf } from "./notes.ts";

Deno.test("noteOf() reads when a member's role changed and to what, and passes over every other line", () => {
  const line = '{"time":"2026-11-26T16:11:57.419Z","level":"info","component":"store-0","msg":"role changed",';
  const wallMs = Date.parse("2026-11-26T16:11:57.419Z");
  assert.deepEqual(noteOf(`${line}"role":"preCandidate","term":4}`), {
    wallMs,
    what: "suspects the leader, asks for pre-votes (term 4)",
  });
  assert.deepEqual(noteOf(`${line}"role":"leader","term":5}`)?.what, "leads (term 5)");
  for (const other of ["", line, '{"msg":"leader changed"}', `${line}"role":"king","term":1}`]) {
    assert.equal(noteOf(other), null);
  }
});
