import type { RegisterAction, RegisterOperation, RegisterValue } from "./linearizability.ts";

/**
 * The search for an order of one key's operations: Wing and Gong's, with Lowe's memory. Five cuts keep a failover, after
 * which hundreds of writes have no known outcome, decidable. Each keeps at least one shortest order, so none loses a
 * history that has one:
 *
 * - Values that nobody reads or expects are one value: no answer tells them apart.
 * - An answer that fits the state and changes nothing is taken at once: an order that has it later is as good with it here.
 * - Of writes that do the same to the state, the one that returns first goes first (unknown outcomes return at infinity):
 *   the two change places in any order that has them the other way round.
 * - A value is not left for another while somebody still has to see it and nobody is left to write it again.
 * - A write of unknown outcome is taken only where what comes next needs it: where it does not, leaving it out is shorter.
 *
 * And what failed with some writes of unknown outcome still to be had fails with fewer of them, all else being equal.
 */
export function searchOneKey(
  operations: readonly RegisterOperation[],
  initial: RegisterValue,
  stepsMax: number,
): { result: "explained" | "impossible" | "exhausted"; steps: number } {
  const { states, moves } = compile(operations);
  const timeline = new Timeline(moves);
  const memory = new Memory();
  const stack: Choice[] = [];
  let state = states(initial);
  let steps = 0;
  let choice: Choice | null = null;
  for (;;) {
    if (choice === null) {
      const observed: Move[] = [];
      const before = state;
      for (let seen = timeline.observer(state); seen !== null; seen = timeline.observer(state)) {
        steps++;
        timeline.take(seen);
        observed.push(seen);
      }
      if (timeline.missing === 0) return { result: "explained", steps };
      const isNew = memory.enter(timeline.knownDone(), state, timeline.unknownDone());
      choice = { state: before, observed, options: isNew ? optionsIn(state, timeline) : [], next: 0 };
    }
    if (++steps > stepsMax) return { result: "exhausted", steps };
    const option = choice.options[choice.next++];
    if (option !== undefined) {
      timeline.take(option);
      stack.push(choice);
      state = option.after;
      choice = null;
      continue;
    }
    for (const seen of choice.observed.reverse()) timeline.giveBack(seen);
    choice = stack.pop() ?? null;
    if (choice === null) return { result: "impossible", steps };
    const taken = choice.options[choice.next - 1];
    if (taken !== undefined) timeline.giveBack(taken);
    state = choice.state;
  }
}

/** A place of the search: what was seen on arrival, and the writes that may come next, of which `next` is untried. */
interface Choice {
  readonly state: number;
  readonly observed: Move[];
  readonly options: readonly Move[];
  next: number;
}

/** States as numbers: the key does not exist; it holds a value that nobody names; 2 and more: a named value. */
const absent = 0;
const unnamed = 1;

/** An operation, by what it needs of the state and what it makes of it. */
interface Move {
  readonly index: number;
  readonly calledAt: number;
  /** Infinity: its outcome is unknown. */
  readonly returnedAt: number;
  /** Its answer fits this state. */
  readonly fits: (state: number) => boolean;
  readonly isObserver: boolean;
  /** The one state that it can happen in, if it has an answer and that is a named value; else -1. */
  readonly needs: number;
  /** The state after it, of writes. */
  readonly after: number;
  /** Writes of one kind do the same in every state. */
  readonly kind: string;
}

function compile(
  operations: readonly RegisterOperation[],
): { readonly states: (value: RegisterValue) => number; readonly moves: readonly Move[] } {
  const numbers = new Map<RegisterValue, number>([[null, absent]]);
  const name = (value: RegisterValue) => {
    if (!numbers.has(value)) numbers.set(value, numbers.size + 1);
  };
  for (const { action, outcome } of operations) {
    if (outcome.kind === "read") name(outcome.value);
    if (action.kind === "swap" || action.kind === "delete") name(action.expected);
  }
  const states = (value: RegisterValue) => numbers.get(value) ?? unnamed;
  const moves = operations.flatMap((operation, index): Move[] => {
    const { action, outcome, calledAt } = operation;
    const isOpenEnded = outcome.kind === "unknown";
    // A get without an answer says nothing.
    if (action.kind === "get" && outcome.kind !== "read") return [];
    const returnedAt = isOpenEnded ? Infinity : Math.max(operation.returnedAt, calledAt);
    const times = { index, calledAt, returnedAt };
    if (outcome.kind === "read") {
      const value = states(outcome.value);
      return [{ ...times, fits: (state) => state === value, isObserver: true, needs: value, after: absent, kind: "" }];
    }
    if (action.kind === "get") return [];
    const holds = conditionOf(action, states);
    if (outcome.kind === "refused") {
      return [{ ...times, fits: (state) => !holds(state), isObserver: true, needs: -1, after: absent, kind: "" }];
    }
    const after = action.kind === "delete" ? absent : states(action.value);
    const named = action.kind === "swap" || action.kind === "delete" ? action.expected : null;
    const expected = named === null ? -1 : states(named);
    const needs = isOpenEnded ? -1 : expected;
    return [{ ...times, fits: holds, isObserver: false, needs, after, kind: `${action.kind} ${expected} ${after}` }];
  });
  return { states, moves };
}

function conditionOf(
  action: Exclude<RegisterAction, { kind: "get" }>,
  states: (value: RegisterValue) => number,
): (state: number) => boolean {
  switch (action.kind) {
    case "create":
      return (state) => state === absent;
    case "put":
      return (state) => state !== absent;
    case "swap": {
      const expected = states(action.expected);
      return (state) => state === expected;
    }
    case "delete": {
      const expected = states(action.expected);
      return (state) => state !== absent && (action.expected === null || state === expected);
    }
  }
}

/** The writes worth trying next, known outcomes first. No answer at hand fits `state`. */
function optionsIn(state: number, timeline: Timeline): readonly Move[] {
  const available = timeline.available();
  const firstOfKind = new Map<string, Move>();
  for (const move of available) {
    if (move.isObserver || !move.fits(state) || !timeline.mayLeave(state, move)) continue;
    const rival = firstOfKind.get(move.kind);
    if (rival === undefined || move.returnedAt < rival.returnedAt) firstOfKind.set(move.kind, move);
  }
  const options = [...firstOfKind.values()];
  const isNeeded = (write: Move) =>
    available.some((next) => next !== write && next.fits(write.after) && !next.fits(state));
  return [
    ...options.filter((each) => each.returnedAt !== Infinity),
    ...options.filter((each) => each.returnedAt === Infinity && isNeeded(each)),
  ];
}

/** Which operations are in the order already, and which may come next: all called before the first return still to come. */
class Timeline {
  /** By call. */
  readonly #moves: readonly Move[];
  /** Those with an answer, by return. */
  readonly #returns: readonly Move[];
  readonly #position = new Map<Move, number>();
  readonly #done: Uint8Array;
  /** All known ones before these are done. */
  #firstCall = 0;
  #firstReturn = 0;
  /** Called and of unknown outcome, before `#firstCall`: they may come at any time. */
  readonly #unknown: readonly Move[];
  /** Of each state, how many still have to happen in it, and how many may still lead to it. */
  readonly #needed = new Map<number, number>();
  readonly #writers = new Map<number, number>();
  missing: number;

  constructor(moves: readonly Move[]) {
    this.#moves = [...moves].sort((a, b) => a.calledAt - b.calledAt || a.index - b.index);
    this.#moves.forEach((move, i) => this.#position.set(move, i));
    this.#returns = moves.filter((each) => each.returnedAt !== Infinity).sort((a, b) => a.returnedAt - b.returnedAt);
    this.#unknown = this.#moves.filter((each) => each.returnedAt === Infinity);
    this.#done = new Uint8Array(moves.length);
    this.missing = this.#returns.length;
    for (const move of moves) this.#count(move, 1);
    this.#advance();
  }

  #count(move: Move, by: 1 | -1): void {
    this.#needed.set(move.needs, (this.#needed.get(move.needs) ?? 0) + by);
    if (!move.isObserver) this.#writers.set(move.after, (this.#writers.get(move.after) ?? 0) + by);
  }

  /** Whether `write` may end `state`: nobody else needs it, or it can come again. */
  mayLeave(state: number, write: Move): boolean {
    if (state === absent || state === unnamed || (this.#writers.get(state) ?? 0) > 0) return true;
    return (this.#needed.get(state) ?? 0) === (write.needs === state ? 1 : 0);
  }

  #isDone(move: Move | undefined): boolean {
    return move !== undefined && this.#done[this.#position.get(move) ?? 0] === 1;
  }

  #advance(): void {
    while (this.#isDone(this.#returns[this.#firstReturn])) this.#firstReturn++;
    while (this.#moves[this.#firstCall]?.returnedAt === Infinity || this.#done[this.#firstCall] === 1) {
      this.#firstCall++;
    }
  }

  take(move: Move): void {
    this.#done[this.#position.get(move) ?? 0] = 1;
    this.#count(move, -1);
    if (move.returnedAt !== Infinity) this.missing--;
    this.#advance();
  }

  giveBack(move: Move): void {
    const position = this.#position.get(move) ?? 0;
    this.#done[position] = 0;
    this.#count(move, 1);
    if (move.returnedAt === Infinity) return;
    this.missing++;
    this.#firstCall = Math.min(this.#firstCall, position);
    // Returns are few between two choices: walking back costs less than a second index.
    while (this.#firstReturn > 0 && (this.#returns[this.#firstReturn]?.returnedAt ?? Infinity) >= move.returnedAt) {
      this.#firstReturn--;
    }
    this.#advance();
  }

  #until(): number {
    return this.#returns[this.#firstReturn]?.returnedAt ?? Infinity;
  }

  /** An answer that fits the state and may come next. */
  observer(state: number): Move | null {
    const until = this.#until();
    for (let i = this.#firstCall; i < this.#moves.length; i++) {
      const move = this.#moves[i];
      if (move === undefined || move.calledAt > until) return null;
      if (move.isObserver && this.#done[i] === 0 && move.fits(state)) return move;
    }
    return null;
  }

  available(): Move[] {
    const until = this.#until();
    const found: Move[] = [];
    for (const move of this.#unknown) {
      if (move.calledAt > until) break;
      if (!this.#isDone(move)) found.push(move);
    }
    for (let i = this.#firstCall; i < this.#moves.length; i++) {
      const move = this.#moves[i];
      if (move === undefined || move.calledAt > until) break;
      if (move.returnedAt !== Infinity && this.#done[i] === 0) found.push(move);
    }
    return found;
  }

  /** The known ones in the order, as text: the first that is missing, then those beyond it. */
  knownDone(): string {
    const until = this.#until();
    let key = `${this.#firstCall}`;
    for (let i = this.#firstCall; i < this.#moves.length; i++) {
      const move = this.#moves[i];
      if (move === undefined || move.calledAt > until) break;
      if (this.#done[i] === 1 && move.returnedAt !== Infinity) key += `,${i}`;
    }
    return key;
  }

  /** The others in the order, by call. */
  unknownDone(): number[] {
    const until = this.#until();
    const found: number[] = [];
    for (const move of this.#unknown) {
      if (move.calledAt > until) break;
      if (this.#isDone(move)) found.push(move.index);
    }
    return found;
  }
}

/** Where the search has been. */
class Memory {
  readonly #visited = new Map<string, (readonly number[])[]>();

  /** False: it has been there with as many writes of unknown outcome still to be had, or more. */
  enter(known: string, state: number, unknown: readonly number[]): boolean {
    const key = `${known} ${state}`;
    const before = this.#visited.get(key);
    if (before === undefined) {
      this.#visited.set(key, [unknown]);
      return true;
    }
    if (before.some((used) => isSubset(used, unknown))) return false;
    before.push(unknown);
    return true;
  }
}

/** Both ascending by call. */
function isSubset(some: readonly number[], all: readonly number[]): boolean {
  const has = new Set(all);
  return some.every((each) => has.has(each));
}
