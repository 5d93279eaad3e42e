import type { Deployment } from "../../api/gen/types.ts";
import { scaledValue } from "../../api/int_or_string.ts";

/** A ReplicaSet as the arithmetic of a rollout sees it. */
export interface Share {
  readonly name: string;
  /** Order of creation, oldest first. */
  readonly age: number;
  /** What its spec asks for, or is about to. */
  replicas: number;
  /**
   * Pods that its status counts: more than `replicas` while it has not followed a shrinking yet. Infinity while its
   * controller has not seen its last change at all, and may still be making pods for an earlier size.
   */
  readonly present: number;
  /** What its status says is available. */
  readonly available: number;
  /** replicas + maxSurge of the Deployment when this was scaled last; 0 when not recorded. */
  readonly maxReplicasBefore: number;
}

export interface Fenceposts {
  readonly surge: number;
  readonly unavailable: number;
}

/** maxSurge rounded up and maxUnavailable rounded down, pods; never both 0, or no rollout could begin. */
export function fencepostsOf(deployment: Readonly<Deployment>): Fenceposts {
  const { strategy, replicas = 1 } = deployment.spec ?? {};
  if (strategy?.type === "Recreate") return { surge: 0, unavailable: 0 };
  const rolling = strategy?.rollingUpdate;
  const surge = scaledValue(rolling?.maxSurge ?? "25%", replicas, "up") ?? 0;
  let unavailable = scaledValue(rolling?.maxUnavailable ?? "25%", replicas, "down") ?? 0;
  if (surge === 0 && unavailable === 0) unavailable = 1;
  return { surge, unavailable: Math.min(unavailable, replicas) };
}

/**
 * The size the new ReplicaSet may have now. Upstream goes by what the others' specs ask for; here pods that are still to
 * be deleted count as well, so that the surge holds for pods and not only for numbers. @param all the new one included
 */
export function newShareSize(newShare: Share, all: readonly Share[], desired: number, { surge }: Fenceposts): number {
  if (newShare.replicas >= desired) return desired;
  const room = desired + surge - all.reduce((sum, share) => sum + Math.max(share.replicas, share.present), 0);
  if (room <= 0) return newShare.replicas;
  return newShare.replicas + Math.min(room, desired - newShare.replicas);
}

/**
 * Shrinks the old ReplicaSets as far as availability allows: first replicas that are not available anyway, then available
 * ones while more than the minimum are. Invariant: at least `desired - unavailable` available pods are asked to stay.
 * Changes `olds`; true when something shrank.
 */
export function shrinkOld(
  newShare: Share,
  olds: readonly Share[],
  desired: number,
  { unavailable }: Fenceposts,
): boolean {
  if (total(olds) === 0) return false;
  const minAvailable = desired - unavailable;
  const newUnavailable = Math.max(0, newShare.replicas - newShare.available);
  const all = [...olds, newShare];
  let mayGo = total(all) - minAvailable - newUnavailable;
  if (mayGo <= 0) return false;
  const ordered = [...olds].sort((a, b) => a.age - b.age);
  let shrank = 0;
  for (const old of ordered) {
    const sick = Math.min(mayGo, Math.max(0, old.replicas - old.available));
    old.replicas -= sick;
    mayGo -= sick;
    shrank += sick;
  }
  // What is available but no longer asked for is about to go: it must not be counted on.
  let spare = all.reduce((sum, share) => sum + Math.min(share.replicas, share.available), 0) - minAvailable;
  for (const old of ordered) {
    const gone = Math.max(0, Math.min(old.replicas, spare));
    old.replicas -= gone;
    spare -= gone;
    shrank += gone;
  }
  return shrank > 0;
}

/**
 * Spreads a change of the Deployment's size over its active ReplicaSets in proportion to their sizes, so that scaling in
 * the middle of a rollout keeps the mix; the largest takes what rounding leaves. Changes `shares`.
 */
export function scaleProportionally(
  shares: readonly Share[],
  desired: number,
  { surge }: Fenceposts,
  replicasBefore: number,
): void {
  const allowed = desired > 0 ? desired + surge : 0;
  const toAdd = allowed - total(shares);
  const newerFirst = toAdd > 0 ? -1 : 1;
  const ordered = [...shares].sort((a, b) => b.replicas - a.replicas || newerFirst * (a.age - b.age));
  let added = 0;
  for (const share of ordered) {
    if (toAdd === 0 || share.replicas === 0) continue;
    const part = proportionOf(share, desired, surge, replicasBefore);
    const left = toAdd - added;
    const change = toAdd > 0 ? Math.min(part, left) : Math.max(part, left);
    share.replicas += change;
    added += change;
  }
  const [largest] = ordered;
  if (largest !== undefined) largest.replicas += toAdd - added;
  for (const share of ordered) share.replicas = Math.max(0, share.replicas);
}

/** How many replicas `share` is to gain (or lose, negative) for its part in the Deployment to stay the same. */
function proportionOf(share: Share, desired: number, surge: number, replicasBefore: number): number {
  if (desired === 0) return -share.replicas;
  const before = share.maxReplicasBefore > 0 ? share.maxReplicasBefore : replicasBefore;
  if (before <= 0) return 0;
  return Math.round(share.replicas * (desired + surge) / before) - share.replicas;
}

export function total(shares: readonly Share[]): number {
  return shares.reduce((sum, share) => sum + share.replicas, 0);
}
