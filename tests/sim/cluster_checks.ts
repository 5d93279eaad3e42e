import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Node, Pod } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { parseMilli } from "../../api/quantity.ts";
import {
  configMaps,
  deployments,
  endpointSlices,
  events,
  namespaces,
  nodes,
  pods,
  replicaSets,
  services,
} from "../../api/resources.ts";
import type { SimCluster } from "../../cluster/sim/mod.ts";
import type { StoreEvent } from "../../store/mod.ts";

const podPrefix = "/registry/pods/";
const nodePrefix = "/registry/minions/";

/** Every event of the store since its first revision, as one of its members tells it. */
export async function historyOf(cluster: SimCluster): Promise<StoreEvent[]> {
  const [member] = cluster.members();
  if (member === undefined) throw new Error("no store member runs");
  const all: StoreEvent[] = [];
  let seen = 0;
  let closed: unknown = null;
  const { revision } = member.status();
  const watch = member.store.watch({ key: utf8("/"), rangeEnd: new Uint8Array([0]), startRevision: 1 }, {
    onEvents(batch, upTo) {
      all.push(...batch);
      seen = upTo;
    },
    onClose: (error) => void (closed = error),
  });
  await cluster.until(() => seen >= revision || closed !== null, { within: "10s" });
  watch.cancel();
  if (seen < revision) throw new Error(`the store's history ends at ${seen}: ${closed}`);
  return all;
}

/** Milli-CPU. */
function cpuOf(pod: Pod): number {
  return (pod.spec?.containers ?? []).reduce(
    (sum, { resources }) => sum + parseMilli(String(resources?.requests?.["cpu"] ?? "0")),
    0,
  );
}

/**
 * Replays every revision of every pod and node. What is wrong, in words: a pod bound twice, a nodeName that changed, a
 * node with more CPU requested than it has, a revision that stepped back.
 */
export function checkHistory(history: readonly StoreEvent[]): string[] {
  const wrong: string[] = [];
  const boundTo = new Map<string, string>();
  const onNode = new Map<string, Map<string, number>>();
  const capacity = new Map<string, number>();
  const uidOf = new Map<string, string>();
  let last = 0;
  const leave = (uid: string) => void onNode.get(boundTo.get(uid) ?? "")?.delete(uid);
  for (const { type, kv } of history) {
    if (kv.modRevision < last) wrong.push(`revision ${kv.modRevision} came after ${last}`);
    last = kv.modRevision;
    const key = fromUtf8(kv.key);
    if (key.startsWith(nodePrefix) && type === "put") {
      const node = JSON.parse(fromUtf8(kv.value)) as Node;
      capacity.set(
        key.slice(nodePrefix.length),
        parseMilli(String(node.status?.allocatable?.["cpu"] ?? "0")),
      );
    }
    if (!key.startsWith(podPrefix)) continue;
    if (type === "delete") {
      leave(uidOf.get(key) ?? "");
      continue;
    }
    const pod = JSON.parse(fromUtf8(kv.value)) as Pod;
    const uid = pod.metadata?.uid ?? "";
    uidOf.set(key, uid);
    const node = pod.spec?.nodeName ?? "";
    const before = boundTo.get(uid) ?? "";
    if (before !== "" && node !== before) wrong.push(`${key} moved from ${before} to "${node}" at ${kv.modRevision}`);
    if (node === "") continue;
    boundTo.set(uid, node);
    if (pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded") {
      leave(uid);
      continue;
    }
    const here = onNode.get(node) ?? new Map<string, number>();
    onNode.set(node, here.set(uid, cpuOf(pod)));
    const used = [...here.values()].reduce((sum, cpu) => sum + cpu, 0);
    const has = capacity.get(node) ?? 0;
    if (before === "" && used > has) {
      wrong.push(`${node} has ${has} milli-CPU and ${used} were bound to it at ${kv.modRevision}`);
    }
  }
  return wrong;
}

/** Every apiserver's cache must show the same objects at the end. */
export async function checkCaches(cluster: SimCluster): Promise<string[]> {
  const wrong: string[] = [];
  const apiServers = cluster.machines.filter(({ kind, running }) => kind === "apiserver" && running);
  for (
    const info of [pods, nodes, deployments, replicaSets, services, endpointSlices, configMaps, namespaces, events]
  ) {
    const texts = new Map<string, string>();
    for (const { name } of apiServers) {
      const { items } = await cluster.clientOf(name).list<KubeObject>(info, { resourceVersion: "0" });
      texts.set(name, JSON.stringify(items));
    }
    if (new Set(texts.values()).size > 1) wrong.push(`${info.resource} differ between ${[...texts.keys()].join(", ")}`);
  }
  return wrong;
}
