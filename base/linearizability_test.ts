import assert from "node:assert/strict";
import {
  checkLinearizable,
  type RegisterAction,
  type RegisterOperation,
  type RegisterOutcome,
} from "./linearizability.ts";
import { drawHistory, reduceHistory } from "./linearizability_reduce.ts";
import { prng } from "./prng.ts";

type Step = [client: number, from: number, to: number, action: RegisterAction, outcome: RegisterOutcome];

function history(...steps: Step[]): RegisterOperation[] {
  return steps.map(([client, calledAt, returnedAt, action, outcome]) => ({
    client,
    key: "k",
    action,
    outcome,
    calledAt,
    returnedAt,
  }));
}

const get: RegisterAction = { kind: "get" };
const create = (value: string): RegisterAction => ({ kind: "create", value });
const put = (value: string): RegisterAction => ({ kind: "put", value });
const swap = (expected: string, value: string): RegisterAction => ({ kind: "swap", expected, value });
const remove = (expected: string | null = null): RegisterAction => ({ kind: "delete", expected });
const read = (value: string | null): RegisterOutcome => ({ kind: "read", value });
const done: RegisterOutcome = { kind: "done" };
const refused: RegisterOutcome = { kind: "refused" };
const unknown: RegisterOutcome = { kind: "unknown" };

function verdict(steps: RegisterOperation[]): string {
  return checkLinearizable(steps).verdict;
}

Deno.test("checkLinearizable() accepts what some order explains and refuses what none does", () => {
  assert.equal(verdict([]), "linearizable");
  assert.equal(
    verdict(history([1, 0, 1, get, read(null)], [1, 2, 3, create("a"), done], [2, 4, 5, get, read("a")])),
    "linearizable",
  );
  // A read that overlaps a write may see the old or the new value, but never new and then old.
  const overlapped = (first: string, second: string) =>
    history(
      [1, 0, 1, create("a"), done],
      [1, 2, 9, swap("a", "b"), done],
      [2, 3, 4, get, read(first)],
      [2, 5, 6, get, read(second)],
    );
  assert.equal(verdict(overlapped("a", "b")), "linearizable");
  assert.equal(verdict(overlapped("a", "a")), "linearizable");
  assert.equal(verdict(overlapped("b", "b")), "linearizable");
  assert.equal(verdict(overlapped("b", "a")), "violated");
  // A stale read, a lost write, two swaps of one version.
  assert.equal(
    verdict(history([1, 0, 1, create("a"), done], [1, 2, 3, swap("a", "b"), done], [2, 4, 5, get, read("a")])),
    "violated",
  );
  assert.equal(verdict(history([1, 0, 1, create("a"), done], [2, 2, 3, get, read(null)])), "violated");
  assert.equal(
    verdict(history([1, 0, 1, create("a"), done], [1, 2, 5, swap("a", "b"), done], [2, 2, 5, swap("a", "c"), done])),
    "violated",
  );
});

Deno.test("checkLinearizable() lets a write of unknown outcome take effect late, or never, but not before its call", () => {
  const late = history([1, 0, 1, create("a"), done], [1, 2, 3, swap("a", "b"), unknown], [2, 50, 51, get, read("b")]);
  assert.equal(verdict(late), "linearizable");
  const never = history([1, 0, 1, create("a"), done], [1, 2, 3, swap("a", "b"), unknown], [2, 50, 51, get, read("a")]);
  assert.equal(verdict(never), "linearizable");
  const early = history([1, 0, 1, create("a"), done], [2, 2, 3, get, read("b")], [1, 5, 6, swap("a", "b"), unknown]);
  assert.equal(verdict(early), "violated");
  const undone = history(
    [1, 0, 1, create("a"), done],
    [1, 2, 3, swap("a", "b"), unknown],
    [2, 50, 51, get, read("b")],
    [2, 52, 53, get, read("a")],
  );
  assert.equal(verdict(undone), "violated");
});

Deno.test("checkLinearizable() knows when create, put, swap and delete are refused", () => {
  assert.equal(verdict(history([1, 0, 1, create("a"), done], [1, 2, 3, create("b"), refused])), "linearizable");
  assert.equal(verdict(history([1, 2, 3, create("b"), refused])), "violated");
  assert.equal(verdict(history([1, 2, 3, put("b"), refused])), "linearizable");
  assert.equal(verdict(history([1, 0, 1, create("a"), done], [1, 2, 3, put("b"), refused])), "violated");
  assert.equal(verdict(history([1, 0, 1, create("a"), done], [1, 2, 3, swap("a", "b"), refused])), "violated");
  assert.equal(verdict(history([1, 0, 1, create("a"), done], [1, 2, 3, remove("x"), refused])), "linearizable");
  assert.equal(
    verdict(history([1, 0, 1, create("a"), done], [1, 2, 3, remove(), done], [1, 4, 5, create("c"), done])),
    "linearizable",
  );
  assert.equal(
    verdict(history([1, 0, 1, create("a"), done], [1, 2, 3, remove("a"), done], [1, 4, 5, remove(), done])),
    "violated",
  );
});

Deno.test("checkLinearizable() judges each key by itself and says which one is wrong", () => {
  const good = history([1, 0, 1, create("a"), done]);
  const wrong = history([1, 0, 1, create("a"), done], [2, 2, 3, get, read(null)]).map((each) => ({
    ...each,
    key: "z",
  }));
  const result = checkLinearizable([...good, ...wrong]);
  assert.equal(result.verdict, "violated");
  assert.equal(result.verdict === "violated" && result.key, "z");
});

Deno.test("checkLinearizable() gives up after stepsMax and says so instead of guessing", () => {
  const result = checkLinearizable(randomHistory(1, 400), { stepsMax: 50 });
  assert.equal(result.verdict, "undecided");
});

/**
 * What clients of a true register would have seen: each operation takes effect at one moment between its call and its
 * return; some never learn how it ended.
 */
function randomHistory(seed: number, count: number, lostShare = 0.05): RegisterOperation[] {
  const random = prng(seed);
  const clients = 2 + random.int(5);
  const free = new Array<number>(clients).fill(0);
  const planned = Array.from({ length: count }, (_, i) => {
    const client = random.int(clients);
    const calledAt = (free[client] ?? 0) + random.int(20);
    const effectAt = calledAt + random.next() * 30;
    const returnedAt = effectAt + random.next() * 30;
    free[client] = returnedAt + 0.001;
    return { i, client, calledAt, effectAt, returnedAt };
  }).sort((a, b) => a.effectAt - b.effectAt);
  const recent: string[] = [];
  let state: string | null = null;
  const out: RegisterOperation[] = [];
  for (const { i, client, calledAt, returnedAt } of planned) {
    const value = `v${i}`;
    const guess: string = state !== null && random.next() < 0.7
      ? state
      : recent[random.int(Math.max(1, recent.length))] ?? "none";
    const dice = random.next();
    const action: RegisterAction = dice < 0.4
      ? get
      : dice < 0.55
      ? create(value)
      : dice < 0.6
      ? put(value)
      : dice < 0.92
      ? swap(guess, value)
      : remove(random.next() < 0.5 ? guess : null);
    const lost = random.next() < lostShare;
    const never = lost && random.next() < 0.5;
    let outcome: RegisterOutcome;
    if (action.kind === "get") outcome = read(state);
    else {
      const holds = action.kind === "create"
        ? state === null
        : action.kind === "put"
        ? state !== null
        : action.kind === "swap"
        ? state === action.expected
        : state !== null && (action.expected === null || action.expected === state);
      outcome = holds ? done : refused;
      if (holds && !never) {
        state = action.kind === "delete" ? null : action.value;
        if (state !== null) recent.push(state);
      }
    }
    if (lost && action.kind === "get") continue;
    // A client that lost an answer goes on as somebody else.
    out.push({
      client: lost ? 100 + i : client,
      key: "k",
      action,
      outcome: lost ? unknown : outcome,
      calledAt,
      returnedAt,
    });
  }
  return out;
}

Deno.test("checkLinearizable() passes 200 random histories of a true register", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const result = checkLinearizable(randomHistory(seed, 30 + seed));
    assert.equal(result.verdict, "linearizable", `seed ${seed}`);
  }
});

/** Whether some order explains `operations`, by trying every one. For small histories. */
function bruteForce(operations: readonly RegisterOperation[], state: string | null = null): boolean {
  if (operations.every((each) => each.outcome.kind === "unknown")) return true;
  const end = (each: RegisterOperation) => each.outcome.kind === "unknown" ? Infinity : each.returnedAt;
  return operations.some((each) => {
    if (operations.some((other) => other !== each && end(other) < each.calledAt)) return false;
    const { action, outcome } = each;
    const rest = operations.filter((other) => other !== each);
    if (outcome.kind === "read") return outcome.value === state && bruteForce(rest, state);
    if (action.kind === "get") return bruteForce(rest, state);
    const holds = action.kind === "create"
      ? state === null
      : action.kind === "put"
      ? state !== null
      : action.kind === "swap"
      ? state === action.expected
      : state !== null && (action.expected === null || action.expected === state);
    if (outcome.kind === "refused") return !holds && bruteForce(rest, state);
    if (!holds) return outcome.kind === "unknown" && bruteForce(rest, state);
    return bruteForce(rest, action.kind === "delete" ? null : action.value) ||
      (outcome.kind === "unknown" && bruteForce(rest, state));
  });
}

Deno.test("checkLinearizable() agrees with trying every order, on 400 small histories, half of them mutated", () => {
  let violated = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const small = randomHistory(seed, 8);
    const judged = seed % 2 === 0 ? small : mutate(small, seed);
    const expected = bruteForce(judged) ? "linearizable" : "violated";
    assert.equal(checkLinearizable(judged).verdict, expected, `seed ${seed}`);
    if (expected === "violated") violated++;
  }
  assert.ok(violated > 40, `only ${violated} mutants were violations`);
});

Deno.test("checkLinearizable() agrees with trying every order where a third of the answers were lost, 1500 times", () => {
  const verdicts = { linearizable: 0, violated: 0 };
  for (let seed = 1; seed <= 1_500; seed++) {
    const small = randomHistory(seed, 8, 0.35);
    const judged = seed % 3 === 0 || small.length === 0 ? small : mutate(small, seed);
    const expected = bruteForce(judged) ? "linearizable" : "violated";
    assert.equal(checkLinearizable(judged).verdict, expected, `seed ${seed}`);
    verdicts[expected]++;
  }
  assert.ok(verdicts.violated > 200 && verdicts.linearizable > 500, JSON.stringify(verdicts));
});

/** One answer is replaced by another that was possible at some other time. */
function mutate(operations: readonly RegisterOperation[], seed: number): RegisterOperation[] {
  const random = prng(seed);
  const at = random.int(operations.length);
  return operations.map((each, i) => {
    if (i !== at) return each;
    if (each.outcome.kind === "done") return { ...each, outcome: refused };
    if (each.outcome.kind === "refused") return { ...each, outcome: done };
    const other = operations[random.int(operations.length)];
    const value = other?.action.kind === "create" || other?.action.kind === "swap" ? other.action.value : null;
    return { ...each, outcome: each.action.kind === "get" ? read(value) : each.outcome };
  });
}

Deno.test("checkLinearizable() refuses a stale read put into any of 100 long histories, and reduceHistory() finds it", () => {
  let tried = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const all = randomHistory(seed, 120);
    const end = Math.max(...all.map((each) => each.returnedAt));
    // The value of the first write, read at the very end although certainly replaced.
    const writes = all.filter((each) => each.outcome.kind === "done" && each.action.kind !== "delete");
    const first = writes[0];
    if (first === undefined || writes.length < 3 || first.action.kind === "get" || first.action.kind === "delete") {
      continue;
    }
    const stale: RegisterOperation = {
      client: 50,
      key: "k",
      action: get,
      outcome: read(first.action.value),
      calledAt: end + 1,
      returnedAt: end + 2,
    };
    tried++;
    const result = checkLinearizable([...all, stale]);
    assert.equal(result.verdict, "violated", `seed ${seed}`);
    if (result.verdict !== "violated") continue;
    const reduced = reduceHistory(result.history);
    assert.ok(reduced.includes(stale) && reduced.length <= 20, `seed ${seed}: ${reduced.length} operations left`);
    assert.ok(drawHistory(reduced).includes(`get = ${first.action.value}`));
  }
  assert.ok(tried > 60);
});

Deno.test("reduceHistory() leaves the two operations that contradict each other, and drawHistory() draws them", () => {
  const long: RegisterOperation[] = history([1, 0, 1, create("v0"), done]);
  for (let i = 1; i < 200; i++) {
    long.push(
      ...history([1, i * 10, i * 10 + 5, swap(`v${i - 1}`, `v${i}`), done], [
        2,
        i * 10 + 6,
        i * 10 + 7,
        get,
        read(`v${i}`),
      ]),
    );
  }
  const at = long.length - 51;
  const target = long[at];
  assert.ok(target !== undefined && target.action.kind === "get");
  long[at] = { ...target, outcome: read("v3") };
  const reduced = reduceHistory(long);
  assert.equal(reduced.length, 2);
  assert.equal(
    drawHistory(reduced),
    "client 1  ├ v173 -> v174 ok ┤\nclient 2                     ├ get = v3 ┤",
  );
});

Deno.test("checkLinearizable() branches on writes alone: a failover, where everyone waits at once, is decided soon", () => {
  // Eight writes that nobody orders, each seen by some of 32 reads that waited with them, and one that cannot be.
  const concurrent: RegisterOperation[] = [
    {
      client: 0,
      key: "k",
      action: { kind: "create", value: "v" },
      outcome: { kind: "done" },
      calledAt: 0,
      returnedAt: 1,
    },
  ];
  for (let i = 0; i < 40; i++) {
    const value = `v${i % 8}`;
    const times = { client: i + 1, key: "k", calledAt: 10 + i, returnedAt: 1_000 + i };
    concurrent.push(
      i < 8
        ? { ...times, action: { kind: "put", value }, outcome: { kind: "done" } }
        : { ...times, action: { kind: "get" }, outcome: { kind: "read", value } },
    );
  }
  const found = checkLinearizable(concurrent, { stepsMax: 50_000 });
  assert.equal(found.verdict, "linearizable");
  const late = { client: 99, key: "k", calledAt: 3_000, returnedAt: 3_001, action: { kind: "get" } } as const;
  const wrong = [...concurrent, { ...late, outcome: { kind: "read", value: "v" } } as const];
  assert.equal(checkLinearizable(wrong, { stepsMax: 50_000 }).verdict, "violated");
});

Deno.test("checkLinearizable() decides a failover that left 300 writes without an answer, with and without a stale read", () => {
  const operation = (client: number, at: number, action: RegisterAction, outcome: RegisterOutcome) => ({
    client,
    key: "k",
    action,
    outcome,
    calledAt: at,
    returnedAt: at + 40,
  });
  const steps: RegisterOperation[] = [operation(0, 0, create("v"), done)];
  // What a deposed leader was told: swaps and overwrites that nobody ever saw, and one that somebody did.
  for (let i = 0; i < 300; i++) {
    steps.push(operation(100 + i, 50 + i, i % 3 === 0 ? put(`lost${i}`) : swap("v", `lost${i}`), unknown));
  }
  // Twenty overwrites under way at once, each seen by somebody; refusals that one of the lost ones may explain.
  for (let i = 0; i < 20; i++) {
    steps.push({ ...operation(500 + i, 400 + i, put(`w${i}`), done), returnedAt: 600 });
    steps.push({ ...operation(600 + i, 410 + i, get, read(`w${i}`)), returnedAt: 600 });
    steps.push({ ...operation(700 + i, 410 + i, swap("v", `no${i}`), refused), returnedAt: 600 });
  }
  steps.push(operation(900, 700, get, read("lost33")));
  assert.equal(checkLinearizable(steps, { stepsMax: 20_000 }).verdict, "linearizable");
  const stale = [...steps, operation(901, 800, get, read("v"))];
  assert.equal(checkLinearizable(stale, { stepsMax: 200_000 }).verdict, "violated");
});
