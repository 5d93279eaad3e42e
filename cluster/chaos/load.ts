import { must } from "../../base/assert.ts";
import type { RegisterAction, RegisterOperation, RegisterOutcome } from "../../base/linearizability.ts";
import { type Prng, prng } from "../../base/prng.ts";
import { atLeast } from "../../client/mod.ts";
import type { Clock, Timers } from "../../platform/mod.ts";
import * as limits from "./limits.ts";
import type { Answer, Known, Registers } from "./registers.ts";

/** One operation as the load generator saw it. Times are monotonic milliseconds. */
export interface LoadRecord {
  readonly operation: RegisterOperation;
  /** When it was due. Latency counts from here, so a stalled generator or server cannot hide its own delay. */
  readonly dueAt: number;
  /** The version that an acknowledged write made; null where the answer names none. */
  readonly resourceVersion: string | null;
  /** What went wrong, for the table of errors; null: an answer that says yes or no. */
  readonly error: string | null;
  /** It was never carried out: no part of the history. */
  readonly untried: boolean;
}

export interface LoadConfig {
  /** Operations a second. */
  readonly rate: number;
  readonly seed: number;
  /** Which key the next operation is about. @param draw an integer below its argument */
  readonly nextKey: (draw: (bound: number) => number) => string;
  readonly onRecord: (record: LoadRecord) => void;
  /** Whom to ask beside the load, see {@linkcode limits.doubtedReads}. */
  readonly doubted?: () => Registers | null;
}

export interface Load {
  /** Operations that were due while too many were under way. */
  readonly shed: number;
  readonly sent: number;
  /** Operations without an answer so far, of the keys that match. */
  underWay(matches: (key: string) => boolean): number;
  /** The load will never use keys that match again. */
  forget(matches: (key: string) => boolean): void;
  /** Sends no more, waits for the answers. */
  stop(): Promise<void>;
}

/**
 * Open-loop load: operation i is due at i / rate, whether or not earlier ones were answered. Half are reads; the rest
 * swap a value on condition of what was last seen, now and then overwrite or delete, and create what is missing.
 */
export function startLoad(
  config: LoadConfig,
  clients: readonly Registers[],
  deps: { readonly clock: Clock; readonly timers: Timers },
): Load {
  const { clock, timers } = deps;
  const random = prng(config.seed);
  const known = new Map<string, Known>();
  const idle: number[] = [];
  const underWay = new Map<Promise<void>, string>();
  const startedAt = clock.monotonic();
  let lanes = 0;
  let sent = 0;
  let shed = 0;
  let stopped = false;

  function learn(key: string, answer: Answer): void {
    const before = known.get(key);
    if (answer.kind === "done" && answer.known !== null) {
      if (before === undefined || atLeast(answer.known.version, before.version)) known.set(key, answer.known);
    } else if (answer.kind === "done" || (answer.kind === "refused" && answer.missing)) known.delete(key);
  }

  async function one(client: Registers, lane: number, dueAt: number, key: string, action: RegisterAction) {
    const calledAt = clock.monotonic();
    const answer = await client.perform(key, action, known.get(key) ?? null);
    learn(key, answer);
    config.onRecord({
      operation: {
        client: lane,
        key,
        action,
        calledAt,
        returnedAt: clock.monotonic(),
        outcome: outcomeOf(answer, action),
      },
      dueAt,
      resourceVersion: answer.kind === "done" ? answer.version : null,
      error: answer.kind === "unknown" || answer.kind === "untried" ? answer.error : null,
      untried: answer.kind === "untried",
    });
    return answer.kind !== "unknown";
  }

  function send(dueAt: number): void {
    sent++;
    const key = config.nextKey((bound) => random.int(bound));
    const client = must(clients[sent % clients.length], "at least one client");
    start(client, dueAt, key, choose(random, `w${sent}`, known.get(key)));
  }

  function start(client: Registers, dueAt: number, key: string, action: RegisterAction): void {
    if (underWay.size >= limits.underWayMax) {
      shed++;
      return;
    }
    const lane = idle.pop() ?? lanes++;
    const work = one(client, lane, dueAt, key, action).then((ended) => {
      underWay.delete(work);
      // A lane whose last operation may never have ended is not used again: operations of one client do not overlap.
      if (ended) idle.push(lane);
    });
    underWay.set(work, key);
  }

  function ask(doubted: Registers): void {
    for (let i = 0; i < limits.doubtedReads; i++) {
      start(doubted, clock.monotonic(), config.nextKey((bound) => random.int(bound)), { kind: "get" });
    }
  }

  function pace(): void {
    if (stopped) return;
    const dueCount = Math.floor((clock.monotonic() - startedAt) * config.rate / 1_000);
    while (sent < dueCount) send(startedAt + (sent + 1) * 1_000 / config.rate);
    const doubted = config.doubted?.() ?? null;
    if (doubted !== null) ask(doubted);
    timers.schedule(limits.pacePeriodMs, pace);
  }
  pace();

  return {
    get shed() {
      return shed;
    },
    get sent() {
      return sent;
    },
    underWay(matches) {
      let count = 0;
      for (const key of underWay.values()) if (matches(key)) count++;
      return count;
    },
    forget(matches) {
      for (const key of [...known.keys()]) if (matches(key)) known.delete(key);
    },
    async stop() {
      stopped = true;
      await Promise.all(underWay.keys());
    },
  };
}

function outcomeOf(answer: Answer, action: RegisterAction): RegisterOutcome {
  switch (answer.kind) {
    case "done":
      return action.kind === "get" ? { kind: "read", value: answer.known?.value ?? null } : { kind: "done" };
    case "refused":
      return { kind: "refused" };
    case "unknown":
    case "untried":
      return { kind: "unknown" };
  }
}

function choose(random: Prng, value: string, known: Known | undefined): RegisterAction {
  const dice = random.next();
  if (dice < 0.5) return { kind: "get" };
  if (known === undefined) return { kind: "create", value };
  if (dice < 0.85) return { kind: "swap", expected: known.value, value };
  if (dice < 0.98) return { kind: "put", value };
  return { kind: "delete", expected: known.value };
}
