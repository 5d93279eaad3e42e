/**
 * Sauropod for programs: a highly available Kubernetes-compatible cluster, of live processes on this machine
 * (`Cluster.up`), or all of it in this isolate on virtual time (`Cluster.sim`).
 *
 * ```ts
 * import { Cluster } from "./mod.ts";
 * await using cluster = await Cluster.up({ workers: 2 });
 * console.log((await cluster.client.list(nodes)).items.length);
 *
 * await using sim = await Cluster.sim({ seed: 7 });
 * await sim.apply("examples/hello.yaml");
 * await sim.ready("deploy/hello", { within: "30s" });
 * await sim.chaos.kill({ kind: "store", leader: true });
 * await sim.clock.advance("1m");
 * console.log(sim.traceHash());
 * ```
 */
import type { RestClient } from "./client/types.ts";
import {
  adminClient,
  balancerUrl,
  type ClusterSpec,
  createCluster,
  removeCluster,
  type SimCluster,
  type SimOptions,
  startSimCluster,
  toolPlatform,
} from "./cluster/mod.ts";
import type { Progress, UpRequest } from "./cluster/mod.ts";

export type { ListOptions, ObjectList, RestClient, WatchChange, WatchOptions } from "./client/types.ts";
export type * from "./api/gen/types.ts";
export * as resources from "./api/resources.ts";
export type {
  ChaosTarget,
  Duration,
  Manifest,
  SimChaos,
  SimClock,
  SimCluster,
  SimMachine,
  SimOptions,
  Within,
} from "./cluster/mod.ts";

export interface ClusterOptions extends Partial<Omit<UpRequest, "name" | "port">> {
  /** Default: a name that no other cluster has. */
  readonly name?: string;
  /** Give up when not every node is Ready by then, in milliseconds. Default 60,000. */
  readonly waitMs?: number;
  readonly onProgress?: (progress: Progress) => void;
}

/** A running cluster; disposing of it ends every process and removes every file. */
export interface LiveCluster extends AsyncDisposable {
  readonly name: string;
  /** The balancer's URL. */
  readonly url: string;
  /** The administrator's client. */
  readonly client: RestClient;
}

async function up(options: ClusterOptions = {}): Promise<LiveCluster> {
  const platform = toolPlatform();
  const { waitMs = 60_000, onProgress = () => {}, ...rest } = options;
  const spec: ClusterSpec = await createCluster(
    {
      name: `sdk-${platform.random.uuid().slice(0, 8)}`,
      controlPlanes: 3,
      workers: 3,
      runtime: "auto",
      hollowNodes: 0,
      timers: "fast",
      port: undefined,
      ...rest,
    },
    { waitMs, onProgress, retain: false, mergeKubeconfig: false },
    platform,
  );
  return {
    name: spec.name,
    url: balancerUrl(spec),
    client: adminClient(spec, platform),
    [Symbol.asyncDispose]: () => removeCluster(spec.name, platform),
  };
}

/** The whole cluster, Raft to kubelet, in this isolate on virtual time: the same seed does the same, anywhere. */
function sim(options: SimOptions): Promise<SimCluster> {
  return startSimCluster(options);
}

export const Cluster = { up, sim };
