/** One operation on one register, as its client saw it. Times are virtual milliseconds. */
export interface RegisterOperation {
  readonly client: string;
  readonly calledMs: number;
  /** Infinity: the outcome is unknown, it may take effect at any time or never. */
  readonly returnedMs: number;
  readonly action:
    | { readonly kind: "read"; readonly value: string | null }
    | { readonly kind: "write"; readonly value: string }
    /** `seen`: the value that made it fail; null with `swapped` unknown. */
    | {
      readonly kind: "cas";
      readonly expect: string | null;
      readonly value: string;
      readonly outcome: { readonly swapped: true } | { readonly swapped: false; readonly seen: string | null } | null;
    };
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** States that the search may look at for one register; beyond it the history counts as undecided, and as a failure. */
const maxStates = 400_000;

/**
 * Whether one register's history is linearizable: is there an order of the operations, compatible with real time, that a
 * single register explains? Depth-first with memory of visited (set, value) pairs (Wing & Gong 1993, Lowe 2017).
 * Written values must be unique. Writes of unknown outcome that nobody saw are left out: had they taken effect unseen,
 * the others would be explained without them too.
 */
export function checkRegister(history: readonly RegisterOperation[], initial: string | null): Verdict {
  const observed = observedValues(history);
  const operations = history
    .filter(({ returnedMs, action }) =>
      returnedMs !== Infinity || (action.kind !== "read" && observed.has(action.value))
    )
    .toSorted((a, b) => a.calledMs - b.calledMs);
  const visited = new Set<string>();
  /** Operations before `first` are all placed; `placed` holds those behind it that are. */
  const stack = [{ first: 0, placed: [] as readonly number[], value: initial }];
  let furthest = 0;
  while (stack.length > 0) {
    const state = stack.pop();
    if (state === undefined) break;
    if (state.first >= operations.length) return { ok: true };
    const key = `${state.first};${state.placed.join(",")};${state.value}`;
    if (visited.has(key)) continue;
    visited.add(key);
    if (visited.size > maxStates) return { ok: false, reason: `undecided after ${maxStates} states` };
    furthest = Math.max(furthest, state.first);
    // Depth first, the earliest call tried first: pushed last.
    for (const index of candidates(operations, state.first, state.placed).toReversed()) {
      const operation = operations[index];
      if (operation === undefined) continue;
      for (const value of outcomes(operation, state.value)) {
        stack.push(place(operations.length, state.first, state.placed, index, value));
      }
    }
  }
  const around = operations.slice(Math.max(0, furthest - 4), furthest + 6).map(describe);
  return { ok: false, reason: `no order explains it; stuck near:\n  ${around.join("\n  ")}` };
}

function observedValues(history: readonly RegisterOperation[]): Set<string> {
  const seen = new Set<string>();
  for (const { action } of history) {
    if (action.kind === "read" && action.value !== null) seen.add(action.value);
    if (action.kind !== "cas") continue;
    if (action.outcome?.swapped === true && action.expect !== null) seen.add(action.expect);
    if (action.outcome?.swapped === false && action.outcome.seen !== null) seen.add(action.outcome.seen);
  }
  // A compare-and-swap of unknown outcome that was seen had seen its own expectation.
  for (let grew = true; grew;) {
    grew = false;
    for (const { action } of history) {
      if (action.kind !== "cas" || action.outcome !== null || action.expect === null) continue;
      if (seen.has(action.value) && !seen.has(action.expect)) {
        seen.add(action.expect);
        grew = true;
      }
    }
  }
  return seen;
}

/** Operations that may come next: called before every other open one has returned. */
function candidates(operations: readonly RegisterOperation[], first: number, placed: readonly number[]): number[] {
  const open: number[] = [];
  let earliestReturn = Infinity;
  for (let i = first; i < operations.length; i++) {
    const operation = operations[i];
    if (operation === undefined || operation.calledMs > earliestReturn) break;
    if (placed.includes(i)) continue;
    open.push(i);
    earliestReturn = Math.min(earliestReturn, operation.returnedMs);
  }
  return open;
}

/** The values the register may have after `operation`; none when it cannot have happened here. */
function outcomes({ action }: RegisterOperation, value: string | null): (string | null)[] {
  switch (action.kind) {
    case "read":
      return action.value === value ? [value] : [];
    case "write":
      return [action.value];
    case "cas":
      if (action.outcome === null) return [value === action.expect ? action.value : value];
      if (action.outcome.swapped) return value === action.expect ? [action.value] : [];
      return value !== action.expect && value === action.outcome.seen ? [value] : [];
  }
}

function place(
  count: number,
  first: number,
  placed: readonly number[],
  index: number,
  value: string | null,
): { first: number; placed: readonly number[]; value: string | null } {
  const behind = [...placed, index].sort((a, b) => a - b);
  let next = first;
  while (next < count && behind[0] === next) {
    behind.shift();
    next++;
  }
  return { first: next, placed: behind, value };
}

function describe({ client, calledMs, returnedMs, action }: RegisterOperation): string {
  const what = action.kind === "read"
    ? `read ${action.value}`
    : action.kind === "write"
    ? `write ${action.value}`
    : `cas ${action.expect} -> ${action.value} ${JSON.stringify(action.outcome)}`;
  return `${client} [${calledMs.toFixed(2)}, ${returnedMs.toFixed(2)}] ${what}`;
}
