import type { Deployment, PodTemplateSpec, ReplicaSet } from "../../api/gen/types.ts";
import { podTemplateHash } from "../../api/pods.ts";
import { deployments, replicaSets } from "../../api/resources.ts";
import { maxRevisionHistoryChars } from "../limits.ts";
import { type Action, type Announcement, byCreation, sameJson } from "./action.ts";
import { controllerReference } from "./claim.ts";
import { fencepostsOf, type Share } from "./rolling.ts";

export const hashLabel = "pod-template-hash";
export const revisionAnnotation = "deployment.kubernetes.io/revision";
const historyAnnotation = "deployment.kubernetes.io/revision-history";
const desiredAnnotation = "deployment.kubernetes.io/desired-replicas";
const maxAnnotation = "deployment.kubernetes.io/max-replicas";
/** Annotations of the Deployment that its ReplicaSets do not get. */
const notCopied = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  "deprecated.deployment.rollback.to",
]);

/** A ReplicaSet and what this round wants changed in it; written as one patch, so that it is decided on one version. */
export interface Member {
  readonly replicaSet: Readonly<ReplicaSet>;
  readonly share: Share;
  readonly annotations: Record<string, string>;
  minReadySeconds?: number;
}

export interface Sets {
  /** The one whose template is the Deployment's, if there is. */
  readonly current: Member | null;
  /** The others, oldest first. */
  readonly olds: readonly Member[];
}

/** Sorts the Deployment's ReplicaSets into the current one and the others. */
export function setsOf(deployment: Readonly<Deployment>, owned: readonly Readonly<ReplicaSet>[]): Sets {
  const ordered = [...owned].sort(byCreation);
  const template = deployment.spec?.template;
  // Of several with one template the oldest is taken, always the same one.
  const current = ordered.find((each) => sameTemplate(each.spec?.template, template));
  const members = ordered.map((replicaSet, age): Member => ({
    replicaSet,
    annotations: {},
    share: {
      name: replicaSet.metadata?.name ?? "",
      age,
      replicas: replicaSet.spec?.replicas ?? 1,
      present: isObserved(replicaSet) ? replicaSet.status?.replicas ?? 0 : Infinity,
      available: replicaSet.status?.availableReplicas ?? 0,
      maxReplicasBefore: Number(replicaSet.metadata?.annotations?.[maxAnnotation] ?? "0") || 0,
    },
  }));
  return {
    current: members.find((each) => each.replicaSet === current) ?? null,
    olds: members.filter((each) => each.replicaSet !== current),
  };
}

function isObserved(replicaSet: Readonly<ReplicaSet>): boolean {
  return (replicaSet.metadata?.generation ?? 0) <= (replicaSet.status?.observedGeneration ?? 0);
}

/** Equality of pod templates but for the hash label, which the Deployment's lacks. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return sameJson(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const { [hashLabel]: _, ...labels } = template?.metadata?.labels ?? {};
  // creationTimestamp: null, an old client's habit, says nothing.
  const { creationTimestamp: __, labels: ___, ...metadata } = template?.metadata ?? {};
  return { ...template, metadata: { ...metadata, labels } };
}

/** The name that the ReplicaSet for the present template has. */
export function replicaSetName(deployment: Readonly<Deployment>): string {
  return `${deployment.metadata?.name ?? ""}-${hashOf(deployment)}`;
}

function hashOf(deployment: Readonly<Deployment>): string {
  return podTemplateHash(deployment.spec?.template ?? {}, deployment.status?.collisionCount ?? 0);
}

/** A ReplicaSet for the Deployment's template. @param replicas its first size */
export function newReplicaSet(deployment: Readonly<Deployment>, replicas: number, revision: number): ReplicaSet {
  const hash = hashOf(deployment);
  const { template, selector, minReadySeconds } = deployment.spec ?? { template: {}, selector: {} };
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: replicaSetName(deployment),
      ...(deployment.metadata?.namespace === undefined ? {} : { namespace: deployment.metadata.namespace }),
      labels,
      annotations: {
        ...copiedAnnotations(deployment),
        ...sizeAnnotations(deployment),
        [revisionAnnotation]: String(revision),
      },
      ownerReferences: [controllerReference(deployments, deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

function copiedAnnotations(deployment: Readonly<Deployment>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(deployment.metadata?.annotations ?? {}).filter(([key]) => !notCopied.has(key)),
  );
}

/** The Deployment's size, written on each ReplicaSet that is scaled: tells a change of size from a rollout. */
function sizeAnnotations(deployment: Readonly<Deployment>): Record<string, string> {
  const desired = deployment.spec?.replicas ?? 1;
  return { [desiredAnnotation]: String(desired), [maxAnnotation]: String(desired + fencepostsOf(deployment).surge) };
}

export function revisionOf(object: { metadata?: { annotations?: Record<string, string> } }): number {
  return Number.parseInt(object.metadata?.annotations?.[revisionAnnotation] ?? "0", 10) || 0;
}

/** The revision after those of the old ReplicaSets. */
export function nextRevision(olds: readonly Member[]): number {
  return 1 + Math.max(0, ...olds.map((each) => revisionOf(each.replicaSet)));
}

/** Brings the current ReplicaSet's annotations up to date; a rollback to it gives it a new revision and keeps the old ones. */
export function annotateCurrent(deployment: Readonly<Deployment>, current: Member, revision: number): void {
  const have = current.replicaSet.metadata?.annotations ?? {};
  const old = revisionOf(current.replicaSet);
  for (const [key, value] of Object.entries(copiedAnnotations(deployment))) {
    if (have[key] !== value) current.annotations[key] = value;
  }
  if (old < revision) {
    current.annotations[revisionAnnotation] = String(revision);
    if (old > 0) {
      const history = (have[historyAnnotation] ?? "").split(",").filter((each) => each !== "");
      history.push(String(old));
      while (history.join(",").length > maxRevisionHistoryChars) history.shift();
      current.annotations[historyAnnotation] = history.join(",");
    }
  }
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  if ((current.replicaSet.spec?.minReadySeconds ?? 0) !== minReadySeconds) current.minReadySeconds = minReadySeconds;
}

/** Whether an active ReplicaSet was last sized for another size of the Deployment. */
export function isScaling(deployment: Readonly<Deployment>, { current, olds }: Sets): boolean {
  const desired = String(deployment.spec?.replicas ?? 1);
  return [...olds, ...(current === null ? [] : [current])].some(({ replicaSet }) => {
    if ((replicaSet.spec?.replicas ?? 1) === 0) return false;
    const recorded = replicaSet.metadata?.annotations?.[desiredAnnotation];
    return recorded !== undefined && recorded !== desired;
  });
}

/** Whether the current ReplicaSet has all the replicas wanted, all of them available: the old ones may go. */
export function isSaturated(deployment: Readonly<Deployment>, current: Member | null): boolean {
  const desired = deployment.spec?.replicas ?? 1;
  if (current === null) return false;
  const { replicaSet } = current;
  return replicaSet.metadata?.annotations?.[desiredAnnotation] === String(desired) &&
    (replicaSet.spec?.replicas ?? 1) === desired && (replicaSet.status?.availableReplicas ?? 0) === desired;
}

/** One patch for each ReplicaSet that is to change. */
export function patchesOf(deployment: Readonly<Deployment>, sets: Sets): Action[] {
  const actions: Action[] = [];
  for (const member of [...(sets.current === null ? [] : [sets.current]), ...sets.olds]) {
    const { replicaSet, share } = member;
    const before = replicaSet.spec?.replicas ?? 1;
    const resized = share.replicas !== before;
    // A ReplicaSet that stays at 0 takes no part in the arithmetic and keeps its old notes.
    const sizes = share.replicas === 0 && before === 0 ? {} : sizeAnnotations(deployment);
    const stale = Object.entries(sizes).some(([key, value]) => replicaSet.metadata?.annotations?.[key] !== value);
    const annotations = { ...member.annotations, ...(resized || stale ? sizes : {}) };
    const spec = {
      ...(resized ? { replicas: share.replicas } : {}),
      ...(member.minReadySeconds === undefined ? {} : { minReadySeconds: member.minReadySeconds }),
    };
    const patch = {
      ...(Object.keys(annotations).length === 0 ? {} : { metadata: { annotations } }),
      ...(Object.keys(spec).length === 0 ? {} : { spec }),
    };
    if (Object.keys(patch).length === 0) continue;
    const done = resized ? { done: announceScaling(deployment, share.name, before, share.replicas) } : {};
    actions.push({ kind: "patch", info: replicaSets, object: replicaSet, patch, ...done });
  }
  return actions;
}

export function announceScaling(
  deployment: Readonly<Deployment>,
  name: string,
  from: number,
  to: number,
): Announcement {
  return {
    info: deployments,
    about: deployment,
    type: "Normal",
    reason: "ScalingReplicaSet",
    message: `Scaled ${to > from ? "up" : "down"} replica set ${name} from ${from} to ${to}`,
  };
}

/** Deletes the oldest revisions beyond `revisionHistoryLimit` that are empty and settled. */
export function cleanUp(deployment: Readonly<Deployment>, olds: readonly Member[]): Action[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const alive = olds.map((each) => each.replicaSet).filter((each) => each.metadata?.deletionTimestamp === undefined);
  const surplus = alive.length - limit;
  if (surplus <= 0) return [];
  const objects = alive.sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, surplus).filter((each) =>
    (each.status?.replicas ?? 0) === 0 && (each.spec?.replicas ?? 1) === 0 &&
    isObserved(each)
  );
  return objects.length === 0
    ? []
    : [{ kind: "delete", info: replicaSets, objects, sameVersion: true, propagationPolicy: "Background" }];
}
