import type { Deployment, Pod } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { deployments, pods } from "../../api/resources.ts";
import { must } from "../../base/assert.ts";
import { type Prng, prng } from "../../base/prng.ts";
import { type SimCluster, type SimOptions, startSimCluster } from "../../cluster/sim/mod.ts";
import { checkCaches, checkHistory, historyOf } from "./cluster_checks.ts";
import { deployment } from "./cluster_story.ts";

export interface ClusterReport {
  readonly seed: number;
  readonly kills: number;
  readonly partitions: number;
  readonly pauses: number;
  readonly changes: number;
  /** Virtual, from the end of the last fault to everything being Ready. */
  readonly convergedMs: number;
  readonly revisions: number;
  readonly virtualMs: number;
  readonly traceHash: string;
}

/** A seed that showed something wrong. The message says how to see it again. */
export class ClusterFailure extends Error {
  override readonly name = "ClusterFailure";
  constructor(seed: number, what: string, options?: ErrorOptions) {
    super(`seed ${seed}: ${what}\n  reproduce: deno task sim --cluster --seed ${seed}`, options);
  }
}

const faultsMs = 10_000;
const stepMs = 50;
const convergeLimitMs = 90_000;
const names = ["web", "db"] as const;
/** Two nodes must hold all of them: a third may be gone. */
const maxReplicas = 4;

/** Faults and the workload of one seed. Every draw comes from a generator of its own. */
class Chaos {
  readonly #cluster: SimCluster;
  readonly #random: Prng;
  readonly #note: (line: string) => void;
  readonly #restarts: { atMs: number; name: string }[] = [];
  readonly #calls: Promise<unknown>[] = [];
  #healAtMs = Infinity;
  kills = 0;
  partitions = 0;
  pauses = 0;
  changes = 0;

  constructor(cluster: SimCluster, note: (line: string) => void) {
    this.#cluster = cluster;
    this.#random = prng(cluster.seed).fork();
    this.#note = note;
  }

  async run(): Promise<void> {
    const { clock, chaos } = this.#cluster;
    const endMs = clock.nowMs + faultsMs;
    let nextMs = clock.nowMs;
    while (clock.nowMs < endMs) {
      await clock.advance(stepMs);
      if (clock.nowMs >= this.#healAtMs) {
        chaos.heal();
        this.#healAtMs = Infinity;
      }
      for (const due of this.#restarts.filter(({ atMs }) => atMs <= clock.nowMs)) await this.#restart(due);
      if (clock.nowMs < nextMs) continue;
      await this.#act();
      nextMs = clock.nowMs + 100 + this.#random.int(1_200);
    }
    chaos.heal();
    for (const due of [...this.#restarts]) await this.#restart(due);
    await Promise.all(this.#calls);
  }

  async #restart(due: { atMs: number; name: string }): Promise<void> {
    this.#restarts.splice(this.#restarts.indexOf(due), 1);
    await this.#cluster.chaos.restart(due.name);
  }

  async #act(): Promise<void> {
    const draw = this.#random.int(10);
    if (draw < 4) await this.#kill();
    else if (draw < 6) this.#partition();
    else if (draw < 7) await this.#pause();
    else if (draw < 9) this.#scale();
    else this.#deletePod();
  }

  #machine(): string {
    const { machines } = this.#cluster;
    return must(machines[this.#random.int(machines.length)], "a machine").name;
  }

  /** Often whoever leads: that is where it hurts. */
  #victim(): string {
    const leading = this.#cluster.machines.filter(({ leads, running }) => leads && running);
    if (this.#random.int(2) === 0 || leading.length === 0) return this.#machine();
    return must(leading[this.#random.int(leading.length)], "a leader").name;
  }

  async #kill(): Promise<void> {
    const name = this.#victim();
    const options = { silent: this.#random.int(3) === 0, keepDisk: this.#random.int(2) === 0 };
    const downMs = 50 + this.#random.int(5_000);
    if (this.#restarts.some((due) => due.name === name)) return;
    this.kills++;
    this.#note(`kill ${name} ${JSON.stringify(options)} for ${downMs} ms`);
    await this.#cluster.chaos.kill(name, options);
    this.#restarts.push({ atMs: this.#cluster.clock.nowMs + downMs, name });
  }

  /** One machine, or all of one control plane. */
  #partition(): void {
    const zone = `-${this.#random.int(3)}`;
    const one = this.#victim();
    const whole = this.#random.int(3) === 0;
    const cut = whole
      ? this.#cluster.machines.filter(({ kind, name }) => kind !== "worker" && name.endsWith(zone)).map((m) => m.name)
      : [one];
    const forMs = 200 + this.#random.int(3_000);
    this.partitions++;
    this.#note(`cut off ${cut} for ${forMs} ms`);
    this.#cluster.chaos.partition(cut);
    this.#healAtMs = this.#cluster.clock.nowMs + forMs;
  }

  async #pause(): Promise<void> {
    const name = this.#victim();
    const forMs = 100 + this.#random.int(3_000);
    this.pauses++;
    this.#note(`pause ${name} for ${forMs} ms`);
    await this.#cluster.chaos.pause(name, forMs);
  }

  /** Best effort: nobody may be there to take it. */
  #call(what: string, work: Promise<unknown>): void {
    this.changes++;
    this.#note(what);
    this.#calls.push(work.catch((error) => this.#note(`${what}: ${error}`)));
  }

  #scale(): void {
    const name = must(names[this.#random.int(names.length)], "a name");
    const replicas = 1 + this.#random.int(maxReplicas);
    const target = { name, namespace: "default" };
    this.#call(
      `scale ${name} to ${replicas}`,
      this.#cluster.client.patch(deployments, target, "merge", { spec: { replicas } }),
    );
  }

  #deletePod(): void {
    const at = this.#random.int(100);
    const remove = async () => {
      const { items } = await this.#cluster.client.list<Pod & KubeObject>(pods, { namespace: "default" });
      const pod = items[at % Math.max(1, items.length)];
      await this.#cluster.client.delete(pods, pod?.metadata?.name ?? "", "default");
    };
    this.#call("delete a pod", remove());
  }
}

async function podsAreRight(cluster: SimCluster): Promise<boolean> {
  const [wanted, all] = await Promise.all([
    cluster.client.list<Deployment & KubeObject>(deployments, { namespace: "default" }),
    cluster.client.list<Pod & KubeObject>(pods, { namespace: "default" }),
  ]);
  const total = wanted.items.reduce((sum, { spec }) => sum + (spec?.replicas ?? 1), 0);
  const good = all.items.filter(({ metadata, status }) =>
    metadata?.deletionTimestamp === undefined &&
    (status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false)
  );
  return wanted.items.length === names.length && all.items.length === total && good.length === total;
}

async function converge(cluster: SimCluster): Promise<void> {
  const deadline = cluster.clock.nowMs + convergeLimitMs;
  const left = () => ({ within: Math.max(0, deadline - cluster.clock.nowMs) });
  await cluster.until(() => cluster.machines.every(({ running, ready }) => running && ready), left());
  for (const { kind, name } of cluster.machines) if (kind === "worker") await cluster.ready(`node/${name}`, left());
  await cluster.until(() => podsAreRight(cluster), left());
  for (const name of names) await cluster.ready(`deploy/${name}`, left());
}

async function stateOf(cluster: SimCluster): Promise<string> {
  const machines = cluster.machines.filter(({ ready }) => !ready).map(({ name, running }) =>
    `${name} ${running ? "starting" : "down"}`
  );
  const leaders = cluster.machines.filter(({ leads }) => leads).map(({ name }) => name);
  const read = async () =>
    (await cluster.client.list<Pod & KubeObject>(pods, { namespace: "default" })).items.map((pod) =>
      `${pod.metadata?.name} ${pod.status?.phase}${pod.metadata?.deletionTimestamp === undefined ? "" : " (ending)"} ` +
      `on ${pod.spec?.nodeName ?? "no node"}`
    );
  const listed = await read().catch((error) => [String(error)]);
  return `\n  not ready: ${machines.join(", ")}; leaders: ${leaders.join(", ")}\n  ${listed.join("\n  ")}`;
}

/** Runs one seed: two Deployments, faults, healing, then the checks. @throws ClusterFailure */
export async function runClusterSeed(
  seed: number,
  options: Pick<SimOptions, "onLog" | "logLevel"> = {},
): Promise<ClusterReport> {
  await using cluster = await startSimCluster({ seed, capacity: { cpu: "1", memory: "2Gi", pods: "20" }, ...options });
  const note = (line: string) => options.onLog?.(`-- ${cluster.clock.nowMs.toFixed(0)} ms: ${line}\n`);
  for (const name of names) await cluster.apply(deployment(name, 2));
  const chaos = new Chaos(cluster, note);
  await chaos.run();
  const healedMs = cluster.clock.nowMs;
  note("healed");
  try {
    await converge(cluster);
  } catch (cause) {
    throw new ClusterFailure(seed, `${cause instanceof Error ? cause.message : cause}${await stateOf(cluster)}`, {
      cause,
    });
  }
  const convergedMs = Math.round(cluster.clock.nowMs - healedMs);
  await cluster.clock.advance("2s");
  const history = await historyOf(cluster);
  const wrong = [...checkHistory(history), ...await checkCaches(cluster)];
  if (wrong.length > 0) throw new ClusterFailure(seed, wrong.join("\n  "));
  const { kills, partitions, pauses, changes } = chaos;
  return {
    seed,
    kills,
    partitions,
    pauses,
    changes,
    convergedMs,
    revisions: history.length,
    virtualMs: Math.round(cluster.clock.nowMs),
    traceHash: cluster.traceHash(),
  };
}
