/**
 * Is a history of concurrent operations on registers linearizable? Wing and Gong's search ("Testing and Verifying
 * Concurrent Objects", 1993) with Lowe's memory of (state, done set) ("Testing for Linearizability", 2017), one key at a
 * time, which is sound because linearizability is local (Herlihy and Wing, 1990).
 *
 * Every write of a history carries a value of its own, so that a value names a version: "if the object is still as I saw
 * it" is a comparison with the value that was seen, and a write whose answer never came needs no version invented.
 */

/** A value; null: the key does not exist. */
export type RegisterValue = string | null;

export type RegisterAction =
  | { readonly kind: "get" }
  /** Takes effect when the key does not exist. */
  | { readonly kind: "create"; readonly value: string }
  /** Takes effect when the key exists. */
  | { readonly kind: "put"; readonly value: string }
  /** Takes effect when the key holds `expected`. */
  | { readonly kind: "swap"; readonly expected: string; readonly value: string }
  /** Takes effect when the key holds `expected`; null: when it exists. */
  | { readonly kind: "delete"; readonly expected: RegisterValue };

export type RegisterOutcome =
  /** A get's answer. */
  | { readonly kind: "read"; readonly value: RegisterValue }
  /** A write took effect. */
  | { readonly kind: "done" }
  /** A write took no effect, its condition did not hold. */
  | { readonly kind: "refused" }
  /** Nobody knows: it took effect at some time after its call, or never. */
  | { readonly kind: "unknown" };

export interface RegisterOperation {
  /** Who did it; operations of one client do not overlap. For drawing alone. */
  readonly client: number;
  readonly key: string;
  readonly action: RegisterAction;
  readonly outcome: RegisterOutcome;
  /** Any unit, one clock. */
  readonly calledAt: number;
  /** Ignored where the outcome is unknown: such an operation returns at infinity. */
  readonly returnedAt: number;
}

export interface CheckOptions {
  /** Steps of the search over all keys before it gives up. */
  readonly stepsMax?: number;
  /** What a key may hold at first; default: it does not exist. */
  readonly initial?: (key: string) => readonly RegisterValue[];
}

export type Verdict =
  | { readonly verdict: "linearizable"; readonly steps: number }
  | {
    readonly verdict: "violated";
    readonly steps: number;
    readonly key: string;
    /** The operations on `key`, by call. */
    readonly history: readonly RegisterOperation[];
  }
  /** The search was given up: nothing is proven. */
  | { readonly verdict: "undecided"; readonly steps: number; readonly key: string };

export const defaultStepsMax = 20_000_000;

export function checkLinearizable(history: readonly RegisterOperation[], options: CheckOptions = {}): Verdict {
  const stepsMax = options.stepsMax ?? defaultStepsMax;
  let steps = 0;
  const byKey = Map.groupBy(history, (operation) => operation.key);
  for (const key of [...byKey.keys()].sort()) {
    const operations = [...byKey.get(key) ?? []].sort((a, b) => a.calledAt - b.calledAt);
    const initials = options.initial?.(key) ?? [null];
    let explained = false;
    for (const initial of initials) {
      const found = searchOneKey(operations, initial, stepsMax - steps);
      steps += found.steps;
      if (found.result === "exhausted") return { verdict: "undecided", steps, key };
      if (found.result === "explained") {
        explained = true;
        break;
      }
    }
    if (!explained) return { verdict: "violated", steps, key, history: operations };
  }
  return { verdict: "linearizable", steps };
}

/** The state after `operation`, or undefined when it cannot have happened in `state`. */
function step(state: RegisterValue, { action, outcome }: RegisterOperation): RegisterValue | undefined {
  if (outcome.kind === "read") return outcome.value === state ? state : undefined;
  if (action.kind === "get") return state;
  const holds = takesEffect(state, action);
  if (outcome.kind === "refused") return holds ? undefined : state;
  // One of unknown outcome that takes no effect is simply never taken into the order.
  if (!holds) return undefined;
  return action.kind === "delete" ? null : action.value;
}

function takesEffect(state: RegisterValue, action: Exclude<RegisterAction, { kind: "get" }>): boolean {
  switch (action.kind) {
    case "create":
      return state === null;
    case "put":
      return state !== null;
    case "swap":
      return state === action.expected;
    case "delete":
      return state !== null && (action.expected === null || action.expected === state);
  }
}

/** A call or a return in the doubly linked list that the search shortens and mends. */
interface Entry {
  readonly operation: number;
  readonly isCall: boolean;
  readonly time: number;
  /** Of a call; null: returns at infinity. */
  match: Entry | null;
  previous: Entry | null;
  next: Entry | null;
}

function isOpenEnded(operation: RegisterOperation): boolean {
  return operation.outcome.kind === "unknown";
}

/** The list's head, an entry of its own before the first. Calls come before returns of the same time: they overlap. */
function link(operations: readonly RegisterOperation[]): Entry {
  const entries: Entry[] = [];
  const entry = (operation: number, isCall: boolean, time: number): Entry => {
    const made: Entry = { operation, isCall, time, match: null, previous: null, next: null };
    entries.push(made);
    return made;
  };
  operations.forEach((operation, i) => {
    const call = entry(i, true, operation.calledAt);
    if (!isOpenEnded(operation)) call.match = entry(i, false, Math.max(operation.returnedAt, operation.calledAt));
  });
  entries.sort((a, b) => a.time - b.time || Number(b.isCall) - Number(a.isCall) || a.operation - b.operation);
  const head: Entry = { operation: -1, isCall: true, time: -Infinity, match: null, previous: null, next: null };
  let last = head;
  for (const each of entries) {
    last.next = each;
    each.previous = last;
    last = each;
  }
  return head;
}

function unlink(entry: Entry): void {
  if (entry.previous !== null) entry.previous.next = entry.next;
  if (entry.next !== null) entry.next.previous = entry.previous;
}

function relink(entry: Entry): void {
  if (entry.previous !== null) entry.previous.next = entry;
  if (entry.next !== null) entry.next.previous = entry;
}

/**
 * The set of operations already in the order, as text: the first known one that is missing, then those beyond it and
 * those of unknown outcome before it. Exact, and short, because an order runs along the time axis.
 */
class DoneSet {
  readonly #done: Uint8Array;
  readonly #openEnded: readonly number[];
  readonly #isOpenEnded: Uint8Array;
  #highest = -1;

  constructor(operations: readonly RegisterOperation[]) {
    this.#done = new Uint8Array(operations.length);
    this.#isOpenEnded = Uint8Array.from(operations, (each) => isOpenEnded(each) ? 1 : 0);
    this.#openEnded = operations.flatMap((each, i) => isOpenEnded(each) ? [i] : []);
  }

  #low = 0;

  add(operation: number): void {
    this.#done[operation] = 1;
    if (operation > this.#highest) this.#highest = operation;
    while (this.#low < this.#done.length && (this.#done[this.#low] === 1 || this.#isOpenEnded[this.#low] === 1)) {
      this.#low++;
    }
  }

  remove(operation: number): void {
    this.#done[operation] = 0;
    if (this.#isOpenEnded[operation] === 0 && operation < this.#low) this.#low = operation;
    while (this.#highest >= 0 && this.#done[this.#highest] === 0) this.#highest--;
  }

  toKey(): string {
    let key = `${this.#low}`;
    for (const operation of this.#openEnded) {
      if (operation >= this.#low) break;
      if (this.#done[operation] === 1) key += `,${operation}`;
    }
    for (let operation = this.#low; operation <= this.#highest; operation++) {
      if (this.#done[operation] === 1) key += `,${operation}`;
    }
    return key;
  }
}

function searchOneKey(
  operations: readonly RegisterOperation[],
  initial: RegisterValue,
  stepsMax: number,
): { result: "explained" | "impossible" | "exhausted"; steps: number } {
  const head = link(operations);
  const done = new DoneSet(operations);
  const seen = new Set<string>();
  const stack: { entry: Entry; state: RegisterValue; forced: boolean }[] = [];
  let missing = operations.filter((each) => !isOpenEnded(each)).length;
  let state = initial;
  let entry = head.next;
  let steps = 0;

  function take(taken: Entry, forced: boolean, next: RegisterValue): void {
    stack.push({ entry: taken, state, forced });
    state = next;
    if (taken.match !== null) {
      missing--;
      unlink(taken);
      unlink(taken.match);
    } else unlink(taken);
    entry = head.next;
  }

  while (missing > 0) {
    if (++steps > stepsMax) return { result: "exhausted", steps };
    const observer = entry === head.next ? firstObserver(head, operations, state) : null;
    if (observer !== null) {
      done.add(observer.operation);
      take(observer, true, state);
      continue;
    }
    const operation = entry === null ? undefined : operations[entry.operation];
    if (entry !== null && entry.isCall && operation !== undefined) {
      const next = step(state, operation);
      if (next === undefined) {
        entry = entry.next;
        continue;
      }
      done.add(entry.operation);
      // A value may hold any character but this key's first blank ends the done set.
      const key = `${done.toKey()} ${next === null ? "" : `=${next}`}`;
      if (seen.has(key)) {
        done.remove(entry.operation);
        entry = entry.next;
        continue;
      }
      seen.add(key);
      take(entry, false, next);
      continue;
    }
    // Someone's return is reached before his operation found its place: undo the last choice, and what followed from it.
    let choice = stack.pop();
    while (choice !== undefined) {
      if (choice.entry.match !== null) {
        missing++;
        relink(choice.entry.match);
      }
      relink(choice.entry);
      done.remove(choice.entry.operation);
      state = choice.state;
      if (!choice.forced) break;
      choice = stack.pop();
    }
    if (choice === undefined) return { result: "impossible", steps };
    entry = choice.entry.next;
  }
  return { result: "explained", steps };
}

/**
 * The first operation that may come next, has an answer that fits the state, and changes nothing. It is no choice: an
 * order that has it later is as good with it here, so nothing else need be tried in its place. That leaves writes alone
 * to branch on, without which a failover, where everyone reads at once, takes minutes to check.
 */
function firstObserver(head: Entry, operations: readonly RegisterOperation[], state: RegisterValue): Entry | null {
  for (let entry = head.next; entry !== null && entry.isCall; entry = entry.next) {
    const operation = operations[entry.operation];
    const kind = operation?.outcome.kind;
    if (operation === undefined || (kind !== "read" && kind !== "refused")) continue;
    if (step(state, operation) !== undefined) return entry;
  }
  return null;
}
