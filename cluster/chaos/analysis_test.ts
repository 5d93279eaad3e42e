import assert from "node:assert/strict";
import type { RegisterAction, RegisterOutcome } from "../../base/linearizability.ts";
import { analyse, type Recording } from "./analysis.ts";
import type { LoadRecord } from "./load.ts";
import { reportText } from "./report_text.ts";

function record(at: number, action: RegisterAction, outcome: RegisterOutcome, version: string | null): LoadRecord {
  const operation = { client: 1, key: "k", action, outcome, calledAt: at, returnedAt: at + 1 };
  return { operation, dueAt: at, resourceVersion: version, error: null, untried: false };
}

function recorded(readAtTheEnd: string): Recording {
  const event = { type: "ADDED", key: "k", value: "a", resourceVersion: "5", at: 11 } as const;
  return {
    subject: "a store",
    scenario: "leader-kill",
    seed: 1,
    rate: 1,
    timers: "fast",
    faults: [{ target: "store-0", at: 5, newLeader: null, notes: [] }],
    operations: [
      record(10, { kind: "create", value: "a" }, { kind: "done" }, "5"),
      record(20, { kind: "get" }, { kind: "read", value: readAtTheEnd }, null),
    ],
    shed: 0,
    watches: [{ events: [event], resumes: 0, relists: 0 }],
    probes: [],
    replayed: [event],
  };
}

Deno.test("analyse() concludes green, red or, where the checker gave up, undecided; the report says which", () => {
  const of = (readAtTheEnd: string, stepsMax?: number) => {
    const report = analyse(recorded(readAtTheEnd), stepsMax);
    return { conclusion: report.conclusion, green: report.green, text: reportText(report) };
  };
  const good = of("a");
  assert.deepEqual([good.conclusion, good.green], ["green", true]);
  assert.match(good.text, /linearizable ✔ .* GREEN /);
  const bad = of("never written");
  assert.deepEqual([bad.conclusion, bad.green], ["red", false]);
  assert.match(bad.text, /violated ✖ .* RED /);
  const unknown = of("a", 0);
  assert.deepEqual([unknown.conclusion, unknown.green], ["undecided", false]);
  assert.match(unknown.text, /undecided \? .* UNDECIDED /);
  assert.match(unknown.text, /nothing is proven either way/);
});
