import assert from "node:assert/strict";
import { utf8 } from "../../../base/bytes.ts";
import type { KeyValue, StoreEvent } from "../../../store/mod.ts";
import { type AcknowledgedWrite, compareHistories, WatchJudge, type WatchViolation } from "./watch_checks.ts";

interface Told {
  readonly revision: number;
  readonly key?: string;
  readonly value?: string | null;
  readonly version?: number;
  readonly previous?: number;
}

/** A put of `a` (or what `told` says) at a revision; the first of its key unless it has a `previous` one. */
function event({ revision, key = "a", value = `v${revision}`, version, previous }: Told): StoreEvent {
  const kv = {
    key: utf8(key),
    value: utf8(value ?? ""),
    modRevision: revision,
    createRevision: previous === undefined ? revision : 1,
    version: version ?? (previous === undefined ? 1 : 2),
    lease: 0n,
  } as unknown as KeyValue; // plain numbers stand for branded revisions
  if (previous === undefined) return { type: value === null ? "delete" : "put", kv };
  const prevKv = { ...kv, value: utf8(`v${previous}`), modRevision: previous } as unknown as KeyValue;
  return { type: value === null ? "delete" : "put", kv, prevKv };
}

function judged(matches: (key: string) => boolean = () => true) {
  const violations: WatchViolation[] = [];
  const judge = new WatchJudge({ name: "w", matches, fromStart: true }, (each) => violations.push(each));
  judge.opened(1);
  return { judge, checks: () => violations.map((each) => each.check), violations };
}

Deno.test("WatchJudge passes a watch that keeps its promises", () => {
  const { judge, checks } = judged();
  judge.delivered([event({ revision: 1 }), event({ revision: 1, key: "b" })], 1);
  judge.progress(3);
  judge.delivered([event({ revision: 4, previous: 1 }), event({ revision: 5, value: null, previous: 4 })], 5);
  judge.opened(6);
  judge.delivered([event({ revision: 7 })], 7);
  assert.deepEqual(checks(), []);
  assert.equal(judge.complete, 7);
});

Deno.test("WatchJudge names each broken promise", () => {
  const cases: [string, (judge: WatchJudge) => void, ((key: string) => boolean)?][] = [
    ["Filter", (judge) => judge.delivered([event({ revision: 1, key: "z" })], 1), (key) => key === "a"],
    ["Ordered", (judge) => judge.delivered([event({ revision: 5, key: "b" }), event({ revision: 4 })], 5)],
    ["Unique", (judge) => {
      judge.delivered([event({ revision: 4 })], 4);
      judge.delivered([event({ revision: 4 })], 4);
    }],
    ["Atomic", (judge) => {
      judge.delivered([event({ revision: 4 })], 4);
      judge.delivered([event({ revision: 4, key: "b" })], 4);
    }],
    ["Bookmarkable", (judge) => {
      judge.progress(9);
      judge.delivered([event({ revision: 9 })], 9);
    }],
    ["PrevKV", (judge) => {
      judge.delivered([event({ revision: 4 })], 4);
      judge.delivered([event({ revision: 6, previous: 5 })], 6);
    }],
    ["IsCreate", (judge) => judge.delivered([event({ revision: 4, version: 2 })], 4)],
  ];
  for (const [check, deliver, matches] of cases) {
    const { judge, checks } = judged(matches);
    deliver(judge);
    assert.deepEqual(checks(), [check]);
  }
});

function compared(tell: (a: WatchJudge, b: WatchJudge) => void, acknowledged: readonly AcknowledgedWrite[] = []) {
  const violations: string[] = [];
  const note = ({ check, watch }: WatchViolation) => void violations.push(`${watch} ${check}`);
  const make = (name: string) => new WatchJudge({ name, matches: () => true, fromStart: true }, note);
  const [a, b] = [make("a"), make("b")];
  for (const each of [a, b]) each.opened(1);
  tell(a, b);
  const result = compareHistories([a, b], acknowledged, 0, { contiguous: true }, note);
  return { ...result, violations };
}

Deno.test("compareHistories() finds what one watch missed, in between or at a seam, and revisions that nobody saw", () => {
  const one = (revision: number) => [event({ revision, key: `k${revision}` })];
  const all = (judge: WatchJudge, ...revisions: number[]) => {
    for (const revision of revisions) judge.delivered(one(revision), revision);
  };
  assert.deepEqual(compared((a, b) => (all(a, 1, 2, 3), all(b, 1, 2, 3))).violations, []);
  assert.deepEqual(compared((a, b) => (all(a, 1, 2, 3), all(b, 1, 3))).violations, ["b Reliable"]);
  assert.deepEqual(compared((a, b) => (all(a, 1, 3), all(b, 1, 3))).violations, ["all Reliable"]);
  const seam = compared((a, b) => {
    all(a, 1, 2, 3);
    all(b, 1);
    b.opened(2);
    all(b, 3);
  });
  assert.deepEqual(seam.violations, ["b Resumable"]);
});

Deno.test("compareHistories() compares up to the slowest watch, and knows which acknowledged writes are lost", () => {
  const acknowledged = [
    { revision: 1, key: "a", value: "v1" },
    { revision: 2, key: "a", value: "other" },
    { revision: 3, key: "a", value: "not compared yet" },
  ];
  const { upTo, lost, violations } = compared((a, b) => {
    a.delivered([event({ revision: 1 }), event({ revision: 2, previous: 1 }), event({ revision: 3, previous: 2 })], 3);
    b.delivered([event({ revision: 1 }), event({ revision: 2, previous: 1 })], 2);
  }, acknowledged);
  assert.deepEqual([upTo, violations], [2, []]);
  assert.deepEqual(lost, [acknowledged[1]]);
});
