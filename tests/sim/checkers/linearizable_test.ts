import { equal } from "node:assert/strict";
import { prng } from "../../../base/prng.ts";
import { checkRegister, type RegisterOperation } from "./linearizable.ts";

type Action = RegisterOperation["action"];

function op(calledMs: number, returnedMs: number, action: Action): RegisterOperation {
  return { client: "c", calledMs, returnedMs, action };
}
function read(value: string | null): Action {
  return { kind: "read", value };
}
function write(value: string): Action {
  return { kind: "write", value };
}

Deno.test("checkRegister() accepts what one register explains and refuses what it does not", () => {
  const cases: [string, boolean, RegisterOperation[]][] = [
    ["read after write", true, [op(0, 1, write("a")), op(2, 3, read("a"))]],
    ["stale read", false, [op(0, 1, write("a")), op(2, 3, write("b")), op(4, 5, read("a"))]],
    ["lost write", false, [op(0, 1, write("a")), op(2, 3, read(null))]],
    ["overlap, either order", true, [op(0, 5, write("a")), op(0, 5, write("b")), op(6, 7, read("a"))]],
    ["reads step back", false, [op(0, 9, write("a")), op(1, 2, read("a")), op(3, 4, read(null))]],
    ["unknown write seen", true, [op(0, Infinity, write("a")), op(5, 6, read(null)), op(7, 8, read("a"))]],
    ["unknown write taken back", false, [op(0, Infinity, write("a")), op(5, 6, read("a")), op(7, 8, read(null))]],
    ["unknown write unseen", true, [op(0, Infinity, write("a")), op(5, 6, read(null))]],
    ["two swaps from one value", false, [
      op(0, 1, write("a")),
      op(2, 9, { kind: "cas", expect: "a", value: "b", outcome: { swapped: true } }),
      op(2, 9, { kind: "cas", expect: "a", value: "c", outcome: { swapped: true } }),
    ]],
    ["one swap fails on the other's value", true, [
      op(0, 1, write("a")),
      op(2, 9, { kind: "cas", expect: "a", value: "b", outcome: { swapped: true } }),
      op(2, 9, { kind: "cas", expect: "a", value: "c", outcome: { swapped: false, seen: "b" } }),
    ]],
  ];
  for (const [name, want, history] of cases) equal(checkRegister(history, null).ok, want, name);
});

/** A real register with a random instant for each operation inside its interval: always linearizable. */
function realHistory(seed: number, count: number): RegisterOperation[] {
  const random = prng(seed);
  const plans = Array.from({ length: count }, (_, i) => {
    const calledMs = random.int(count * 3);
    return { i, calledMs, returnedMs: calledMs + 1 + random.int(20), at: 0, draw: random.int(3) };
  });
  for (const plan of plans) plan.at = plan.calledMs + random.next() * (plan.returnedMs - plan.calledMs);
  let value: string | null = null;
  return plans.toSorted((a, b) => a.at - b.at).map(({ i, calledMs, returnedMs, draw }) => {
    const before: string | null = value;
    if (draw === 0) return op(calledMs, returnedMs, read(before));
    value = `v${i}`;
    const unknown = random.int(5) === 0 ? Infinity : returnedMs;
    if (draw === 1) return op(calledMs, unknown, write(value));
    const outcome = unknown === Infinity ? null : { swapped: true } as const;
    return op(calledMs, unknown, { kind: "cas", expect: before, value, outcome });
  });
}

Deno.test("checkRegister() accepts 300 random histories of a real register, and notices a value from the past", () => {
  let noticed = 0;
  for (let seed = 0; seed < 300; seed++) {
    const history = realHistory(seed, 60);
    equal(checkRegister(history, null).ok, true, `seed ${seed}`);
    const endMs = Math.max(...history.filter((x) => x.returnedMs !== Infinity).map((x) => x.returnedMs));
    const written = history.flatMap(({ action, returnedMs }) =>
      action.kind === "write" && returnedMs !== Infinity ? [action.value] : []
    );
    const stale = op(endMs + 100, endMs + 101, read(written[0] ?? ""));
    const later = op(endMs + 50, endMs + 51, write("newest"));
    if (!checkRegister([...history, later, stale], null).ok) noticed++;
  }
  equal(noticed, 300);
});
