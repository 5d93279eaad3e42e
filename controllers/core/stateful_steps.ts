/** What a StatefulSet does about its pods next: make, mend, remove, replace. */
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from "../../api/gen/types.ts";
import { isPodAvailable, isPodTerminal } from "../../api/pods.ts";
import { persistentVolumeClaims, pods, statefulSets } from "../../api/resources.ts";
import { type Action, announcer } from "./action.ts";
import { awaitsDeletion, claimName, claimNames, newClaim, ownershipOf } from "./stateful_claims.ts";
import {
  firstOrdinal,
  isInRange,
  missingIdentity,
  podName,
  replicasOf,
  revisionOf,
  statefulPod,
  templateOf,
} from "./stateful_pods.ts";

/** What a StatefulSet has, as its steps see it. */
export interface StatefulState {
  readonly set: Readonly<StatefulSet>;
  /** Its pods by ordinal, in and outside its range, in ascending order. */
  readonly pods: ReadonlyMap<number, Readonly<Pod>>;
  /** What pods below the partition are made of, and what the others are. */
  readonly current: Readonly<ControllerRevision>;
  readonly update: Readonly<ControllerRevision>;
  /** The claim of this name in the set's namespace. */
  readonly claimNamed: (name: string) => Readonly<PersistentVolumeClaim> | undefined;
  /** Pods that may be created at once. */
  readonly burst: number;
  /** ms since the epoch */
  readonly now: number;
}

export function stepsOf(state: StatefulState): Action[] {
  return state.set.spec?.podManagementPolicy === "Parallel" ? inParallel(state) : inOrder(state);
}

/**
 * One pod at a time: each waits until all before it are available. Scaling down begins when all that stay are, from the
 * top; replacing when nothing else is to do. A pod that never becomes ready therefore holds all of it up, as upstream:
 * whoever repairs the template also deletes the pod.
 */
function inOrder(state: StatefulState): Action[] {
  const { set } = state;
  const actions: Action[] = [];
  for (let ordinal = firstOrdinal(set); isInRange(set, ordinal); ordinal++) {
    const pod = state.pods.get(ordinal);
    if (pod === undefined) return [...actions, ...creation(state, ordinal)];
    // Whatever its exit code: an evicted pod may look as if it had succeeded.
    if (isPodTerminal(pod)) return [...actions, ...deletion(state, [pod])];
    if (!isAvailable(state, pod)) return isPending(pod) ? [...actions, ...tendClaims(state, ordinal, pod)] : actions;
    actions.push(...tend(state, ordinal, pod));
  }
  const condemned = condemnedOf(state);
  for (const [ordinal, pod] of condemned) actions.push(...tendClaims(state, ordinal, pod));
  const last = condemned[0]?.[1];
  if (last === undefined) return [...actions, ...replacement(state)];
  // Of several that are not available the first may go, when its turn comes.
  const ailing = condemned.findLast(([, pod]) => !isAvailable(state, pod))?.[1];
  const mayGo = isAvailable(state, last) || last === ailing;
  return mayGo ? [...actions, ...deletion(state, [last])] : actions;
}

/** All at once, except that pods are replaced one at a time. */
function inParallel(state: StatefulState): Action[] {
  const { set, burst } = state;
  const mended: Action[] = [];
  const ended: Readonly<Pod>[] = [];
  const missing: number[] = [];
  for (let ordinal = firstOrdinal(set); isInRange(set, ordinal) && missing.length < burst; ordinal++) {
    const pod = state.pods.get(ordinal);
    if (pod === undefined) missing.push(ordinal);
    else if (isPodTerminal(pod)) ended.push(pod);
    else mended.push(...tend(state, ordinal, pod));
  }
  const condemned = condemnedOf(state);
  for (const [ordinal, pod] of condemned) mended.push(...tendClaims(state, ordinal, pod));
  return [
    ...mended,
    // What cannot be created (a quota, say) must not keep pods that have to go.
    ...deletion(state, [...ended, ...condemned.map(([, pod]) => pod)]),
    ...creations(state, missing),
    ...replacement(state),
  ];
}

/** Pods outside the range, the last first. */
function condemnedOf({ set, pods }: StatefulState): [number, Readonly<Pod>][] {
  return [...pods].filter(([ordinal]) => !isInRange(set, ordinal)).reverse();
}

/**
 * Deletes the last pod that is not of the update revision, from the partition on, when all after it are available again.
 * `maxUnavailable` is behind a gate that is off in 1.36: the server drops it.
 */
function replacement(state: StatefulState): Action[] {
  const { set, update } = state;
  const strategy = set.spec?.updateStrategy;
  if (strategy?.type === "OnDelete") return [];
  const from = firstOrdinal(set) + (strategy?.rollingUpdate?.partition ?? 0);
  for (let ordinal = firstOrdinal(set) + replicasOf(set) - 1; ordinal >= from; ordinal--) {
    const pod = state.pods.get(ordinal);
    if (pod === undefined || isPodTerminal(pod) || isTerminating(pod)) return [];
    if (revisionOf(pod) !== update.metadata?.name) return deletion(state, [pod]);
    if (!isAvailable(state, pod)) return [];
  }
  return [];
}

function isTerminating(pod: Readonly<Pod>): boolean {
  return pod.metadata?.deletionTimestamp !== undefined;
}

function isPending(pod: Readonly<Pod>): boolean {
  return pod.status?.phase === "Pending";
}

function isAvailable({ set, now }: StatefulState, pod: Readonly<Pod>): boolean {
  return pod.status?.phase === "Running" && !isTerminating(pod) &&
    isPodAvailable(pod, set.spec?.minReadySeconds ?? 0, now);
}

/** Claims that have none before come one by one with their pods; where one fails, no later one is tried. */
function creations(state: StatefulState, ordinals: readonly number[]): Action[] {
  const waiting: Action[] = [];
  const objects: Pod[] = [];
  for (const ordinal of ordinals) {
    const actions = creation(state, ordinal);
    const [only] = actions;
    if (actions.length === 1 && only?.kind === "create" && only.info === pods) objects.push(newPod(state, ordinal));
    else waiting.push(...actions);
  }
  const ready: Action[] = objects.length === 0
    ? []
    : [{ kind: "createMany", info: pods, objects, ...podEvents(state, "create") }];
  return [...ready, ...waiting];
}

/** Makes a pod, its claims before it. */
function creation(state: StatefulState, ordinal: number): Action[] {
  const { set } = state;
  const announce = announcer(statefulSets, set);
  const name = podName(set, ordinal);
  const claims = claimNames(set, ordinal).map(state.claimNamed).filter((each) => each !== undefined);
  if (claims.some((each) => awaitsDeletion(set, each, name))) return [];
  const going = claims.filter((each) => each.metadata?.deletionTimestamp !== undefined)
    .map((each) => `pvc ${each.metadata?.name} is being deleted`);
  const made = tendClaims(state, ordinal, { metadata: { name }, status: { phase: "Pending" } });
  if (going.length > 0) {
    const error = going.length === 1 ? going.join() : `[${going.join(", ")}]`;
    const message = `create Pod ${name} in StatefulSet ${set.metadata?.name} failed error: ${error}`;
    return [...made, { kind: "announce", event: announce("Warning", "FailedCreate", message) }];
  }
  return [...made, { kind: "create", info: pods, object: newPod(state, ordinal), ...podEvents(state, "create") }];
}

/** Below the partition a pod comes back as it was. */
function newPod({ set, current, update }: StatefulState, ordinal: number): Pod {
  const partition = set.spec?.updateStrategy?.rollingUpdate?.partition ?? 0;
  const revision = ordinal < firstOrdinal(set) + partition ? current : update;
  const template = templateOf(revision) ?? set.spec?.template ?? {};
  return statefulPod(set, ordinal, template, revision.metadata?.name ?? "");
}

function deletion(state: StatefulState, doomed: readonly Readonly<Pod>[]): Action[] {
  const objects = doomed.filter((pod) => !isTerminating(pod));
  return objects.length === 0 ? [] : [{ kind: "delete", info: pods, objects, ...podEvents(state, "delete") }];
}

/** Gives a pod what it lacks of its identity, and its claims their owners. */
function tend(state: StatefulState, ordinal: number, pod: Readonly<Pod>): Action[] {
  if (isTerminating(pod)) return [];
  const patch = missingIdentity(state.set, ordinal, pod);
  const claims = tendClaims(state, ordinal, pod, patch?.["spec"] !== undefined);
  if (patch === undefined) return claims;
  return [...claims, { kind: "patch", info: pods, object: pod, patch, ...podEvents(state, "update") }];
}

/** @param create whether to make missing claims: a pod that waits for them, or is to get them, needs it */
function tendClaims(state: StatefulState, ordinal: number, pod: Readonly<Pod>, create = isPending(pod)): Action[] {
  const { set } = state;
  const announce = announcer(statefulSets, set);
  const scaledDown = !isInRange(set, ordinal);
  return (set.spec?.volumeClaimTemplates ?? []).flatMap((template): Action[] => {
    const name = claimName(set, template, ordinal);
    const claim = state.claimNamed(name);
    if (claim === undefined) {
      if (!create || scaledDown) return [];
      const object = newClaim(set, template, ordinal);
      return [{ kind: "create", info: persistentVolumeClaims, object, ...claimEvents(state, pod) }];
    }
    const { owners, conflict } = ownershipOf(claim, { set, pod, scaledDown });
    const text = `PersistentVolumeClaim ${name} has a conflicting OwnerReference that acts as a manging controller, ` +
      "the retention policy is ignored for this claim";
    return [
      ...(conflict && (create || owners !== undefined)
        ? [{ kind: "announce", event: announce("Warning", "ConflictingController", text) } satisfies Action]
        : []),
      ...(owners === undefined ? [] : [
        {
          kind: "patch",
          info: persistentVolumeClaims,
          object: claim,
          patch: { metadata: { ownerReferences: owners } },
        } satisfies Action,
      ]),
    ];
  });
}

/** The Events of a write to a pod. */
function podEvents({ set }: StatefulState, verb: "create" | "update" | "delete") {
  const announce = announcer(statefulSets, set);
  const title = `${verb.slice(0, 1).toUpperCase()}${verb.slice(1)}`;
  const text = `${verb} Pod {name} in StatefulSet ${set.metadata?.name}`;
  return {
    done: announce("Normal", `Successful${title}`, `${text} successful`),
    failed: announce("Warning", `Failed${title}`, `${text} failed error: {error}`),
  };
}

function claimEvents({ set }: StatefulState, pod: Readonly<Pod>) {
  const announce = announcer(statefulSets, set);
  const where = `Pod ${pod.metadata?.name} in StatefulSet ${set.metadata?.name}`;
  return {
    done: announce("Normal", "SuccessfulCreate", `create Claim {name} ${where} success`),
    failed: announce("Warning", "FailedCreate", `create Claim {name} for ${where} failed error: {error}`),
  };
}
