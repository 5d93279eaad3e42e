import type { KubeObject } from "../../api/meta.ts";
import { nodes, pods, replicaSets } from "../../api/resources.ts";
import { formatTime } from "../../api/time.ts";
import type { RestClient } from "../../client/types.ts";
import type { Clock, Timers } from "../../platform/mod.ts";
import * as limits from "./limits.ts";

/** One thing asked of a scheduler or a controller manager, and when it was done. Monotonic milliseconds. */
export interface ProbeRecord {
  readonly dueAt: number;
  /** null: not yet, or the request itself failed. */
  doneAt: number | null;
}

export interface Probes {
  readonly records: readonly ProbeRecord[];
  stop(): Promise<void>;
}

export type ProbeKind = "bind" | "reconcile";

interface PodObject extends KubeObject {
  spec?: { nodeName?: string; [field: string]: unknown };
}

interface ProbeDeps {
  readonly client: RestClient;
  readonly clock: Clock;
  readonly timers: Timers;
}

const heartbeatMs = 500;
const selector = "sauropod.dev/chaos";

/**
 * Makes a pod (or a ReplicaSet) every {@linkcode limits.probePeriodMs} and notes when it is bound (or when its pod is
 * there). The pods are bound to a Node without a kubelet that exists for the experiment alone: nothing is started.
 */
export async function startProbes(
  config: { readonly kind: ProbeKind; readonly namespace: string; readonly nodeName: string },
  deps: ProbeDeps,
): Promise<Probes> {
  const { client, clock, timers } = deps;
  const { kind, namespace, nodeName } = config;
  const stop = new AbortController();
  const records = new Map<string, ProbeRecord>();
  const underWay = new Set<Promise<unknown>>();
  if (kind === "bind") await createNode(nodeName, deps);
  const track = (work: Promise<unknown>) => {
    const quiet = work.catch(() => {}).finally(() => underWay.delete(quiet));
    underWay.add(quiet);
  };

  function notice(pod: PodObject): void {
    const name = kind === "bind" ? pod.metadata?.name : pod.metadata?.ownerReferences?.[0]?.name;
    if (kind === "bind" && (pod.spec?.nodeName ?? "") === "") return;
    const record = records.get(name ?? "");
    if (name === undefined || record === undefined || record.doneAt !== null) return;
    record.doneAt = clock.monotonic();
    if (kind === "bind") track(client.delete(pods, name, namespace, { gracePeriodSeconds: 0 }));
    else track(client.delete(replicaSets, name, namespace, { propagationPolicy: "Background" }));
  }

  async function watch(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        // From a list each time: what was bound while the watch was away counts as bound when it is seen.
        const list = await client.list<PodObject>(pods, { namespace });
        list.items.forEach(notice);
        const { resourceVersion = "" } = list.metadata;
        for await (
          const change of client.watch<PodObject>(pods, { namespace, resourceVersion, signal: stop.signal })
        ) {
          if (change.type === "ERROR") break;
          if (change.type === "ADDED" || change.type === "MODIFIED") notice(change.object);
        }
      } catch {
        // The apiserver that served it is gone.
      }
      await timers.sleep(limits.watchRetryMs, stop.signal).catch(() => {});
    }
  }

  async function pace(): Promise<void> {
    const startedAt = clock.monotonic();
    for (let i = 0; !stop.signal.aborted; i++) {
      const dueAt = startedAt + i * limits.probePeriodMs;
      const waitMs = dueAt - clock.monotonic();
      if (waitMs > 0) await timers.sleep(waitMs, stop.signal).catch(() => {});
      if (stop.signal.aborted) return;
      const name = `probe-${i}`;
      records.set(name, { dueAt, doneAt: null });
      track(kind === "bind" ? createPod(name) : createReplicaSet(name));
      if (kind === "bind" && i % (heartbeatMs / limits.probePeriodMs) === 0) track(beat(nodeName, deps));
    }
  }

  const podSpec = (target: string) => ({
    nodeSelector: { [selector]: target },
    tolerations: [{ key: selector, operator: "Exists" }],
    containers: [{ name: "none", image: "none" }],
    terminationGracePeriodSeconds: 0,
  });

  const createPod = (name: string) =>
    client.create<PodObject>(pods, { metadata: { name, namespace }, spec: podSpec(nodeName) });

  // No node has the label "nowhere": the pods are made and stay pending.
  const createReplicaSet = (name: string) =>
    client.create<KubeObject & { spec: unknown }>(replicaSets, {
      metadata: { name, namespace },
      spec: {
        replicas: 1,
        selector: { matchLabels: { probe: name } },
        template: { metadata: { labels: { probe: name } }, spec: podSpec("nowhere") },
      },
    });

  const watching = watch();
  const pacing = pace();
  return {
    get records() {
      return [...records.values()];
    },
    async stop() {
      stop.abort();
      await Promise.all([watching, pacing]);
      await Promise.all(underWay);
    },
  };
}

function ready(clock: Clock): unknown {
  const now = formatTime(clock.now());
  return { type: "Ready", status: "True", reason: "Chaos", lastHeartbeatTime: now, lastTransitionTime: now };
}

async function createNode(name: string, { client, clock }: ProbeDeps): Promise<void> {
  const amounts = { cpu: "1000", memory: "1000Gi", pods: "100000" };
  await client.create<KubeObject & { spec: unknown }>(nodes, {
    metadata: { name, labels: { [selector]: name, "kubernetes.io/hostname": name } },
    spec: { taints: [{ key: selector, effect: "NoSchedule" }] },
  });
  await client.patch(nodes, { name, subresource: "status" }, "merge", {
    status: { capacity: amounts, allocatable: amounts, conditions: [ready(clock)] },
  });
}

/** Tells the node controller that the Node lives. */
async function beat(name: string, { client, clock }: ProbeDeps): Promise<void> {
  await client.patch(nodes, { name, subresource: "status" }, "merge", { status: { conditions: [ready(clock)] } });
}
