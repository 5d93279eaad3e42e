import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { createWorld, installTripwires, type World } from "../../platform/sim/mod.ts";
import { type RangeRequest, type RangeResponse, type Store, StoreError } from "../../store/mod.ts";
import { checkRegister } from "./checkers/linearizable.ts";
import { Observer } from "./checkers/observer.ts";
import { checkWatches } from "./checkers/watch_order.ts";
import { memberIds, SimCluster } from "./cluster.ts";
import { Faults } from "./faults.ts";
import type { MutantName } from "./mutants.ts";
import { describeSwarm, drawSwarm, type Swarm } from "./swarm.ts";
import { History, SimClient, SimWatcher } from "./workload.ts";

export interface SimReport {
  readonly seed: number;
  readonly operations: number;
  readonly unknown: number;
  readonly refused: number;
  readonly crashes: number;
  readonly partitions: number;
  /** Terms that had a leader. */
  readonly leaders: number;
  readonly committed: number;
  readonly watchResumed: number;
  /** Changes of members that were made. */
  readonly changes: number;
  readonly tasks: number;
  readonly virtualMs: number;
  readonly traceHash: string;
}

/** A seed that showed something wrong. The message says how to see it again. */
export class SimFailure extends Error {
  override readonly name = "SimFailure";
  constructor(swarm: Swarm, mutant: MutantName | null, what: string, options?: ErrorOptions) {
    const again = `deno task sim --seed ${swarm.seed}${mutant === null ? "" : ` --mutant ${mutant}`}`;
    super(`seed ${swarm.seed}: ${what}\n  ${describeSwarm(swarm)}\n  reproduce: ${again}`, options);
  }
}

export interface SimOptions {
  readonly mutant?: MutantName | null;
  readonly onLog?: (line: string) => void;
}

/** Virtual time that a healed cluster gets to agree, and clients to finish. */
const livenessMs = 20_000;
/** Between two looks at the members' states. */
const lookMs = 400;

/** Runs one seed: faults and clients, then healing, then the checks. @throws SimFailure */
export async function runSeed(seed: number, options: SimOptions = {}): Promise<SimReport> {
  const { mutant = null, onLog } = options;
  using _tripwires = installTripwires();
  using _traces = onLog === undefined ? withoutStackTraces() : null;
  const swarm = drawSwarm(seed);
  const world = createWorld({
    seed,
    dialTimeoutMs: 1000,
    stallTimeoutMs: 3000,
    ...(onLog === undefined ? {} : { logSink: onLog, logLevel: "debug" as const }),
  });
  try {
    return await runIn(world, swarm, mutant);
  } catch (error) {
    if (error instanceof SimFailure) throw error;
    throw new SimFailure(swarm, mutant, String(error instanceof Error ? error.stack : error), { cause: error });
  }
}

/**
 * A world of faults makes errors all the time, mostly of dials that find nobody, and to note where each was made costs
 * more than to make it. Who replays a failing seed sees them.
 */
function withoutStackTraces(): Disposable {
  const before = Error.stackTraceLimit;
  Reflect.deleteProperty(Error, "stackTraceLimit"); // 0 would still call what formats it
  return { [Symbol.dispose]: () => void (Error.stackTraceLimit = before) };
}

async function runIn(world: World, swarm: Swarm, mutant: MutantName | null): Promise<SimReport> {
  const observer = new Observer();
  const cluster = new SimCluster(world, swarm, observer, mutant);
  const fail = (what: string): never => {
    throw new SimFailure(swarm, mutant, `at ${world.nowMs.toFixed(1)} ms: ${what}`);
  };
  const check = (): void => {
    if (observer.violation !== null) fail(observer.violation);
    if (cluster.problem !== null) fail(cluster.problem);
  };
  for (const id of memberIds) cluster.start(id);
  const history = new History();
  const clients = Array.from({ length: swarm.clients }, (_, i) => new SimClient(world, swarm, history, `c${i + 1}`));
  const [firstClient] = clients;
  if (firstClient === undefined) return fail("no client");
  const retry = (fn: () => void) => world.schedule(20, fn);
  const watchers = clients.map((client) => new SimWatcher(client.store, retry));
  const faults = new Faults(world, swarm, cluster);
  faults.begin();
  const clientRuns = Promise.all(clients.map((client) => client.run()));
  let clientError: unknown = null;
  clientRuns.catch((error) => void (clientError = error));

  // Safety: anything may fail, nothing may go wrong.
  while (world.nowMs < swarm.safetyMs) {
    await world.run(Math.min(swarm.safetyMs, world.nowMs + lookMs));
    cluster.noteStates();
    check();
  }

  // Liveness: once everything is healed, all must agree and every client must get its answers.
  const deadlineMs = world.nowMs + livenessMs;
  await finish(world, faults.end(), deadlineMs, () => fail("the members do not settle"));
  await world.run(world.nowMs + 300);
  for (const client of clients) client.stop();
  await finish(world, clientRuns, deadlineMs, () => fail(`clients do not finish: ${clientError ?? "no progress"}`));
  for (const key of history.registers.keys()) {
    await finish(world, firstClient.read(key), deadlineMs, () => fail(`no answer to a read of ${key}`));
  }
  check();
  if (!await world.runUntil(() => cluster.converged, deadlineMs)) {
    fail(`the members do not converge: ${cluster.describe()}`);
  }
  cluster.noteStates();
  check();

  for (const [key, operations] of history.registers) {
    const verdict = checkRegister(operations, null);
    if (!verdict.ok) fail(`${key} is not linearizable: ${verdict.reason}`);
  }
  await checkAcknowledged(world, history, firstClient, deadlineMs, fail);
  await checkWatchers(world, watchers, clients[1] ?? firstClient, deadlineMs, fail);
  for (const client of clients) client.store.close();
  faults.close();
  return {
    seed: swarm.seed,
    operations: history.operations,
    unknown: history.unknown,
    refused: history.refused,
    crashes: cluster.crashes,
    partitions: faults.partitions,
    leaders: observer.leaders.size,
    committed: observer.committedIndex,
    watchResumed: watchers.reduce((sum, watcher) => sum + watcher.resumed, 0),
    changes: faults.changes,
    tasks: world.executed,
    virtualMs: world.nowMs,
    traceHash: world.traceHash(),
  };
}

/** As `world.complete`, with the failure told in the simulation's own words. */
async function finish<T>(world: World, work: Promise<T>, limitMs: number, late: () => never): Promise<T> {
  let settled = false;
  const done = (): void => void (settled = true);
  work.then(done, done);
  if (!await world.runUntil(() => settled, limitMs)) late();
  return await work;
}

/** A client may need longer than a request's timeout to notice that a machine lost power: ask again. */
async function patiently(world: World, store: Store, request: RangeRequest): Promise<RangeResponse> {
  for (;;) {
    try {
      return await store.range(request);
    } catch (error) {
      if (!(error instanceof StoreError && (error.code === "NoLeader" || error.code === "Unavailable"))) throw error;
      await new Promise<void>((resolve) => world.schedule(50, resolve));
    }
  }
}

type Fail = (what: string) => never;

/** Every key that a client was told is written is there. */
async function checkAcknowledged(
  world: World,
  history: History,
  client: SimClient,
  limitMs: number,
  fail: Fail,
): Promise<void> {
  const range = patiently(world, client.store, { key: utf8("own/"), rangeEnd: utf8("own0"), keysOnly: true });
  const { kvs } = await finish(world, range, limitMs, () => fail("no answer to the last range"));
  const there = new Set(kvs.map((kv) => fromUtf8(kv.key)));
  for (const key of history.acknowledged) if (!there.has(key)) fail(`the acknowledged write of ${key} is lost`);
  for (const key of history.deleted) if (there.has(key)) fail(`the acknowledged deletion of ${key} is lost`);
}

/** The watches that lived through it all, and a fresh one, saw every revision that was not compacted, and the same. */
async function checkWatchers(
  world: World,
  watchers: readonly SimWatcher[],
  other: SimClient,
  limitMs: number,
  fail: Fail,
): Promise<void> {
  const { revision } = await finish(
    world,
    patiently(world, other.store, { key: utf8("k0"), countOnly: true }),
    limitMs,
    () => fail("no answer to a count"),
  );
  const fresh = new SimWatcher(other.store, (fn) => world.schedule(20, fn));
  const all = [...watchers, fresh];
  if (!await world.runUntil(() => revision <= 1 || all.every((each) => each.revision >= revision), limitMs)) {
    fail(`watches stand at revisions ${all.map((each) => each.revision)}, the store at ${revision}`);
  }
  for (const each of all) each.end();
  const wrong = checkWatches(all.map((each) => each.seen));
  if (wrong !== null) fail(wrong);
}
