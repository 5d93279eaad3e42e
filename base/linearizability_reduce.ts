import { checkLinearizable, type RegisterOperation, type RegisterValue } from "./linearizability.ts";

/** Each single check while a history is being reduced may take this many steps; one that needs more counts as passing. */
const reduceStepsMax = 300_000;
/** Operations left after cutting by time beyond which single ones are not tried any more. */
const singleRemovalsMax = 400;

/**
 * The shortest part of one key's violated history that still is a violation whatever the key held when the part began,
 * so that it convinces by itself. Every cut is sound: if what is left cannot be ordered, the whole could not.
 */
export function reduceHistory(history: readonly RegisterOperation[]): readonly RegisterOperation[] {
  const sorted = [...history].sort((a, b) => a.calledAt - b.calledAt);
  let part = cutEnd(sorted);
  const begun = cutBegin(part);
  if (begun !== null) part = begun;
  const freeStart = begun !== null;
  if (part.length > singleRemovalsMax) return part;
  return dropSingles(part, freeStart);
}

function fails(history: readonly RegisterOperation[], freeStart: boolean): boolean {
  const initial = () => freeStart ? valuesNamed(history) : [null];
  return checkLinearizable(history, { stepsMax: reduceStepsMax, initial }).verdict === "violated";
}

/** Everything that the key may have held before: nothing, what somebody read or expected, or what nobody names. */
function valuesNamed(history: readonly RegisterOperation[]): RegisterValue[] {
  const named = new Set<RegisterValue>([null, "a value that nobody names"]);
  for (const { action, outcome } of history) {
    if (outcome.kind === "read") named.add(outcome.value);
    if (action.kind === "swap" || action.kind === "delete") named.add(action.expected);
  }
  return [...named];
}

/** The shortest failing prefix: prefixes of a linearizable history are linearizable, so halving finds it. */
function cutEnd(history: readonly RegisterOperation[]): RegisterOperation[] {
  const returns = history.filter((each) => each.outcome.kind !== "unknown").map((each) => each.returnedAt)
    .sort((a, b) => a - b);
  const upTo = (time: number) =>
    history.filter((each) => each.calledAt <= time).map((each): RegisterOperation =>
      each.outcome.kind === "unknown" || each.returnedAt <= time ? each : { ...each, outcome: { kind: "unknown" } }
    );
  let low = 0;
  let high = returns.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fails(upTo(returns[middle] ?? Infinity), false)) high = middle;
    else low = middle + 1;
  }
  const cut = upTo(returns[high] ?? Infinity);
  // An answer that had not come by then and that was a read says nothing.
  const told = cut.filter((each) => !(each.outcome.kind === "unknown" && each.action.kind === "get"));
  return fails(told, false) ? told : [...history];
}

/** The part after the latest time from which it still fails for every start; null when only the whole fails. */
function cutBegin(history: readonly RegisterOperation[]): RegisterOperation[] | null {
  const times = [-Infinity, ...history.map((each) => each.returnedAt).sort((a, b) => a - b)];
  const from = (time: number) => history.filter((each) => each.outcome.kind === "unknown" || each.returnedAt > time);
  if (!fails(history, true)) return null;
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (fails(from(times[middle] ?? -Infinity), true)) low = middle;
    else high = middle - 1;
  }
  return from(times[low] ?? -Infinity);
}

/** Takes away, one by one, what changes nothing (reads, refusals) or cannot matter, as long as the rest still fails. */
function dropSingles(history: readonly RegisterOperation[], freeStart: boolean): RegisterOperation[] {
  let left = [...history];
  for (const candidate of history) {
    const without = left.filter((each) => each !== candidate);
    if (isRemovable(candidate, without) && fails(without, freeStart)) left = without;
  }
  return left;
}

function isRemovable(operation: RegisterOperation, others: readonly RegisterOperation[]): boolean {
  if (operation.outcome.kind === "read" || operation.outcome.kind === "refused") return true;
  if (operation.outcome.kind !== "unknown") return false;
  // Its effect would be seen by a refusal, or by whoever names its value (or its absence); without these it is mute:
  // an order that holds it stays one when it and nothing else is taken out only if nobody was in between, so unconditional
  // writes keep it too.
  const { action } = operation;
  if (action.kind === "get") return true;
  return others.every((each) =>
    each.outcome.kind !== "refused" && each.action.kind !== "put" &&
    !(each.action.kind === "delete" && each.action.expected === null) &&
    (action.kind === "delete" ? !namesAbsence(each) : !names(each, action.value))
  );
}

function names(operation: RegisterOperation, value: string): boolean {
  const { action, outcome } = operation;
  return (outcome.kind === "read" && outcome.value === value) ||
    ((action.kind === "swap" || action.kind === "delete") && action.expected === value);
}

function namesAbsence(operation: RegisterOperation): boolean {
  return operation.action.kind === "create" || (operation.outcome.kind === "read" && operation.outcome.value === null);
}

/** One line a client, time from left to right (order is true, lengths are not). */
export function drawHistory(history: readonly RegisterOperation[]): string {
  const events = history.flatMap((operation) => [
    { operation, isCall: true, time: operation.calledAt },
    ...(operation.outcome.kind === "unknown" ? [] : [{ operation, isCall: false, time: operation.returnedAt }]),
  ]).sort((a, b) => a.time - b.time || Number(b.isCall) - Number(a.isCall));
  const start = new Map<RegisterOperation, number>();
  const end = new Map<RegisterOperation, number>();
  let column = 0;
  for (const { operation, isCall } of events) {
    column++;
    if (isCall) {
      start.set(operation, column);
      // What never returned needs room for its words before anything else of its client.
      continue;
    }
    column = Math.max(column, (start.get(operation) ?? 0) + describeOperation(operation).length + 3);
    end.set(operation, column);
  }
  const clients = [...new Set(history.map((each) => each.client))].sort((a, b) => a - b);
  const width = Math.max(...clients.map((client) => `client ${client}`.length), 0);
  const lines = clients.flatMap((client) => {
    const rows: string[] = [];
    for (const operation of history.filter((each) => each.client === client)) {
      const from = start.get(operation) ?? 0;
      const until = end.get(operation);
      const words = describeOperation(operation);
      const bar = until === undefined
        ? `├ ${words} ┄┄>`
        : `├ ${words} ${"─".repeat(Math.max(0, until - from - words.length - 3))}┤`;
      const free = rows.findIndex((row) => row.length < from);
      if (free === -1) rows.push(" ".repeat(from) + bar);
      else rows[free] = (rows[free] ?? "").padEnd(from) + bar;
    }
    return rows.map((row, i) => `${(i === 0 ? `client ${client}` : "").padEnd(width)} ${row}`);
  });
  return lines.join("\n");
}

/** An operation and its answer in a few words: `put v1 ok`, `get = v1`, `v1 -> v2 ?`. */
export function describeOperation({ action, outcome }: RegisterOperation): string {
  const answer = outcome.kind === "read"
    ? ` = ${outcome.value ?? "nothing"}`
    : outcome.kind === "done"
    ? " ok"
    : outcome.kind === "refused"
    ? " refused"
    : " ?";
  switch (action.kind) {
    case "get":
      return `get${answer}`;
    case "create":
      return `create ${action.value}${answer}`;
    case "put":
      return `put ${action.value}${answer}`;
    case "swap":
      return `${action.expected} -> ${action.value}${answer}`;
    case "delete":
      return `delete ${action.expected ?? ""}${answer}`.replace("  ", " ");
  }
}
