import { must } from "../../base/assert.ts";
import type { RegisterAction, RegisterOperation, RegisterOutcome } from "../../base/linearizability.ts";
import { type Prng, prng } from "../../base/prng.ts";
import type { KubeObject } from "../../api/meta.ts";
import { configMaps } from "../../api/resources.ts";
import { ApiError, atLeast, TransportError } from "../../client/mod.ts";
import type { RestClient } from "../../client/types.ts";
import type { Clock, Timers } from "../../platform/mod.ts";
import * as limits from "./limits.ts";

/** A ConfigMap of the experiment: one value, by which a version is known. */
export interface Register extends KubeObject {
  data?: { value?: string };
}

/** One operation as the load generator saw it. Times are monotonic milliseconds. */
export interface LoadRecord {
  readonly operation: RegisterOperation;
  /** When it was due. Latency counts from here, so a stalled generator or server cannot hide its own delay. */
  readonly dueAt: number;
  /** The version that an acknowledged write made; null where the answer names none. */
  readonly resourceVersion: string | null;
  /** What went wrong, for the table of errors; null: an answer that says yes or no. */
  readonly error: string | null;
}

export interface Load {
  readonly records: readonly LoadRecord[];
  /** Operations that were due while too many were under way. */
  readonly shed: number;
  /** Sends no more, waits for the answers. */
  stop(): Promise<void>;
}

/** What somebody was last told about a key. */
interface Known {
  readonly value: string;
  readonly resourceVersion: string;
}

/**
 * Open-loop load: operation i is due at i / rate, whether or not earlier ones were answered. Half are reads; the rest
 * swap a value on condition of the resourceVersion last seen, now and then delete, and create what is missing.
 */
export function startLoad(
  config: { readonly namespace: string; readonly rate: number; readonly seed: number },
  clients: readonly RestClient[],
  deps: { readonly clock: Clock; readonly timers: Timers },
): Load {
  const { clock, timers } = deps;
  const random = prng(config.seed);
  const records: LoadRecord[] = [];
  const known = new Map<string, Known>();
  const idle: number[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = clock.monotonic();
  let lanes = 0;
  let sent = 0;
  let shed = 0;
  let stopped = false;

  function learn(key: string, object: Register): void {
    const { resourceVersion = "" } = object.metadata ?? {};
    const before = known.get(key);
    if (before !== undefined && !atLeast(resourceVersion, before.resourceVersion)) return;
    known.set(key, { value: object.data?.value ?? "", resourceVersion });
  }

  async function one(
    client: RestClient,
    lane: number,
    dueAt: number,
    key: string,
    action: RegisterAction,
    version: string,
  ): Promise<boolean> {
    const calledAt = clock.monotonic();
    let outcome: RegisterOutcome | null;
    let resourceVersion: string | null = null;
    let error: string | null = null;
    try {
      const object = await perform(client, config.namespace, key, action, version);
      if (object !== null) {
        learn(key, object);
        resourceVersion = object.metadata?.resourceVersion ?? null;
      } else known.delete(key);
      outcome = action.kind === "get" ? { kind: "read", value: object?.data?.value ?? null } : { kind: "done" };
    } catch (cause) {
      ({ outcome, error } = outcomeOf(cause, action));
      if (cause instanceof ApiError && cause.code === 404) known.delete(key);
    }
    const operation = { client: lane, key, action, calledAt, returnedAt: clock.monotonic() };
    records.push({
      operation: { ...operation, outcome: outcome ?? { kind: "unknown" } },
      dueAt,
      resourceVersion,
      error,
    });
    return outcome !== null;
  }

  function send(dueAt: number): void {
    sent++;
    if (underWay.size >= limits.underWayMax) {
      shed++;
      return;
    }
    const key = `register-${random.int(limits.keys)}`;
    const seen = known.get(key);
    const action = choose(random, `w${sent}`, seen);
    const lane = idle.pop() ?? lanes++;
    const client = must(clients[sent % clients.length], "at least one client");
    const work = one(client, lane, dueAt, key, action, seen?.resourceVersion ?? "").then((ended) => {
      underWay.delete(work);
      // A lane whose last operation may never have ended is not used again: operations of one client do not overlap.
      if (ended) idle.push(lane);
    });
    underWay.add(work);
  }

  function pace(): void {
    if (stopped) return;
    const dueCount = Math.floor((clock.monotonic() - startedAt) * config.rate / 1_000);
    while (sent < Math.min(dueCount, limits.operationsMax)) send(startedAt + (sent + 1) * 1_000 / config.rate);
    timers.schedule(limits.pacePeriodMs, pace);
  }
  pace();

  return {
    records,
    get shed() {
      return shed;
    },
    async stop() {
      stopped = true;
      await Promise.all(underWay);
    },
  };
}

function choose(random: Prng, value: string, known: Known | undefined): RegisterAction {
  const dice = random.next();
  if (dice < 0.5) return { kind: "get" };
  if (known === undefined) return { kind: "create", value };
  if (dice < 0.98) return { kind: "swap", expected: known.value, value };
  return { kind: "delete", expected: known.value };
}

/** The object afterwards; null when there is none. */
async function perform(
  client: RestClient,
  namespace: string,
  name: string,
  action: RegisterAction,
  resourceVersion: string,
): Promise<Register | null> {
  switch (action.kind) {
    case "get":
      return await client.get<Register>(configMaps, name, namespace).catch((error) => {
        if (error instanceof ApiError && error.code === 404) return null;
        throw error;
      });
    case "create":
      return await client.create<Register>(configMaps, {
        metadata: { name, namespace },
        data: { value: action.value },
      });
    case "swap":
    case "put":
      return await client.update<Register>(configMaps, {
        metadata: { name, namespace, resourceVersion },
        data: { value: action.value },
      });
    case "delete":
      await client.delete(configMaps, name, namespace, { preconditions: { resourceVersion } });
      return null;
  }
}

/** 404 and 409 are answers: the condition did not hold. Everything else leaves open what happened. */
function outcomeOf(cause: unknown, action: RegisterAction): { outcome: RegisterOutcome | null; error: string | null } {
  if (cause instanceof ApiError) {
    if (action.kind !== "get" && (cause.code === 404 || cause.code === 409)) {
      return { outcome: { kind: "refused" }, error: null };
    }
    return { outcome: null, error: `${cause.code} ${cause.reason}` };
  }
  if (cause instanceof TransportError) return { outcome: null, error: `connection failed (${cause.outcome})` };
  return { outcome: null, error: cause instanceof Error ? cause.message : String(cause) };
}
