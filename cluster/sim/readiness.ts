import type { DaemonSet, Deployment, Node, Pod, ReplicaSet, StatefulSet } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { type ResourceInfo, resources } from "../../api/resources.ts";

export interface ReadyTarget {
  readonly info: ResourceInfo;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly isReady: (object: KubeObject) => boolean;
}

function conditionHolds(object: Pod | Node): boolean {
  return object.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

function replicasReady(object: Deployment | ReplicaSet): boolean {
  const { metadata, spec, status } = object;
  const wanted = spec?.replicas ?? 1;
  return (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0) &&
    (status?.replicas ?? 0) === wanted && (status?.readyReplicas ?? 0) === wanted;
}

function rolledOut(object: Deployment): boolean {
  return replicasReady(object) && (object.status?.updatedReplicas ?? 0) === (object.spec?.replicas ?? 1);
}

function daemonsRun({ metadata, status }: DaemonSet): boolean {
  const wanted = status?.desiredNumberScheduled ?? 0;
  return (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0) &&
    (status?.updatedNumberScheduled ?? 0) === wanted && (status?.numberAvailable ?? 0) === wanted;
}

function membersAvailable({ metadata, spec, status }: StatefulSet): boolean {
  const counts = [status?.replicas, status?.availableReplicas, status?.updatedReplicas];
  return (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0) &&
    counts.every((count = 0) => count === (spec?.replicas ?? 1));
}

/** What "ready" means, by resource. The object's own kind was asked for by its path. */
const checks: Readonly<Record<string, (object: KubeObject) => boolean>> = {
  daemonsets: (object) => daemonsRun(object as DaemonSet),
  deployments: (object) => rolledOut(object as Deployment),
  statefulsets: (object) => membersAvailable(object as StatefulSet),
  replicasets: (object) => replicasReady(object as ReplicaSet),
  pods: (object) => conditionHolds(object as Pod),
  nodes: (object) => conditionHolds(object as Node),
};

/** Reads `deploy/web`, `pod/other-namespace/db`, `node/worker-1`. @throws RangeError */
export function parseTarget(target: string): ReadyTarget {
  const parts = target.split("/");
  const [word = "", ...path] = parts;
  const isMeant = (info: ResourceInfo) =>
    info.resource === word || info.singular === word || info.shortNames.includes(word) ||
    (word === "deploy" && info.resource === "deployments");
  const info = resources.find((each) => isMeant(each) && checks[each.resource] !== undefined);
  const isReady = checks[info?.resource ?? ""];
  const name = path.at(-1) ?? "";
  if (info === undefined || isReady === undefined || name === "" || path.length > (info.namespaced ? 2 : 1)) {
    throw new RangeError(
      `Cannot wait for "${target}": say deploy/NAME, ds/NAME, sts/NAME, rs/NAME, pod/NAMESPACE/NAME or node/NAME`,
    );
  }
  const namespace = info.namespaced ? (path.length === 2 ? path[0] : "default") : undefined;
  return { info, name, namespace, isReady };
}
