import type { DaemonSet, Node } from "../api/gen/types.ts";
import { daemonSets as info } from "../api/resources.ts";
import { keyOf } from "../client/mod.ts";
import { revisionsViewOf } from "./controller_revision.ts";
import { sameJson } from "./core/action.ts";
import { failedAgain, type FailedPod, isForgotten } from "./core/daemon_nodes.ts";
import { placementOf, type Verdict, verdictOn } from "./core/daemon_pods.ts";
import { reconcileDaemonSet } from "./core/daemon_set.ts";
import type { Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import { claimable, followOwned, ownerWaker } from "./owned.ts";
import type { Controller, Enqueue } from "./runner.ts";

/** Nodes on which the pods of one generation of a DaemonSet failed. A new generation is tried at once. */
interface Failures {
  readonly of: string;
  readonly nodes: Map<string, FailedPod>;
}

export function daemonSetController(informers: Informers): Controller {
  const { daemonSets, nodes, pods } = informers;
  const failures = new Map<string, Failures>();

  function failuresOf(key: string, { metadata, status }: Readonly<DaemonSet>, now: number): Map<string, FailedPod> {
    const of = `${metadata?.uid}/${status?.observedGeneration ?? 0}`;
    const known = failures.get(key);
    const nodes = known?.of === of ? known.nodes : new Map<string, FailedPod>();
    for (const [name, failed] of nodes) if (isForgotten(failed, now)) nodes.delete(name);
    failures.set(key, { of, nodes });
    return nodes;
  }

  return {
    name: info.singular,
    keys: () => daemonSets.list().map(keyOf),
    subscribe(enqueue) {
      daemonSets.subscribe({
        added: (object) => enqueue(keyOf(object)),
        updated: (_, object) => enqueue(keyOf(object)),
        deleted: (object) => failures.delete(keyOf(object)),
      });
      const wakeOwner = ownerWaker(info.kind, daemonSets, enqueue);
      followOwned(pods, wakeOwner);
      followOwned(informers.controllerRevisions, wakeOwner);
      followNodes(informers, enqueue);
    },
    async sync(key, turn) {
      const daemonSet = daemonSets.get(key);
      if (daemonSet === undefined) return;
      const failed = failuresOf(key, daemonSet, turn.now);
      const decision = reconcileDaemonSet({
        daemonSet,
        nodes: nodes.list(),
        pods: claimable(pods, daemonSet),
        ...revisionsViewOf(informers, daemonSet),
        failed,
        burst: limits.burstDaemons,
      }, turn.now);
      for (const node of decision.failedOn) failed.set(node, failedAgain(failed.get(node), turn.now));
      await turn.carryOut(decision);
    },
  };
}

/** Heartbeats change nodes all the time; only what decides about daemons wakes a DaemonSet, and only one it matters to. */
function followNodes({ daemonSets, nodes }: Informers, enqueue: Enqueue): void {
  function enqueueWhere(changed: (verdictOf: (node: Readonly<Node>) => Verdict) => boolean): void {
    for (const daemonSet of daemonSets.list()) {
      const placement = placementOf(daemonSet);
      if (changed((node) => verdictOn(node, placement))) enqueue(keyOf(daemonSet), limits.gatherMs);
    }
  }
  nodes.subscribe({
    added: (node) => enqueueWhere((verdictOf) => verdictOf(node) === "run"),
    updated(old, node) {
      const same = sameJson(old.metadata?.labels, node.metadata?.labels) &&
        sameJson(old.spec?.taints, node.spec?.taints);
      if (!same) enqueueWhere((verdictOf) => verdictOf(old) !== verdictOf(node));
    },
    deleted: (node) => enqueueWhere((verdictOf) => verdictOf(node) !== "leave"),
  });
}
