import assert from "node:assert/strict";
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetSpec } from "../../api/gen/types.ts";
import { reconcileBudget } from "./disruption.ts";

const now = Date.parse("2026-01-01T00:10:00Z");
const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "rs", uid: "rs", controller: true };

function pod(name: string, ready = true): Pod {
  return {
    metadata: { name, ownerReferences: [owner] },
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

function run(
  spec: PodDisruptionBudgetSpec,
  pods: Pod[],
  status?: PodDisruptionBudget["status"],
  replicas = pods.length,
) {
  const budget: PodDisruptionBudget = {
    metadata: { name: "b", generation: 2 },
    spec,
    ...(status === undefined ? {} : { status }),
  };
  const decision = reconcileBudget({ budget, pods, scales: new Map([["rs", replicas]]) }, now);
  const [action] = decision.actions;
  const next = action?.kind === "updateStatus" ? (action.object as PodDisruptionBudget).status : undefined;
  return { next, wakeAfterMs: decision.wakeAfterMs };
}

function numbers(status: PodDisruptionBudget["status"]): (number | undefined)[] {
  return [status?.disruptionsAllowed, status?.currentHealthy, status?.desiredHealthy, status?.expectedPods];
}

Deno.test("reconcileBudget() allows what is healthy beyond minAvailable or maxUnavailable, numbers or percentages", () => {
  const three = [pod("a"), pod("b"), pod("c", false)];
  assert.deepEqual(numbers(run({ minAvailable: 1 }, three).next), [1, 2, 1, 3]);
  assert.deepEqual(numbers(run({ minAvailable: "50%" }, three, undefined, 4).next), [0, 2, 2, 4]);
  assert.deepEqual(numbers(run({ maxUnavailable: 2 }, three).next), [1, 2, 1, 3]);
  assert.deepEqual(numbers(run({ maxUnavailable: "34%" }, three).next), [1, 2, 1, 3]);
  assert.deepEqual(numbers(run({ minAvailable: 0 }, []).next), [0, 0, 0, 0]);
  const { next } = run({ minAvailable: 3 }, three);
  assert.equal(next?.conditions?.[0]?.reason, "InsufficientPods");
  assert.equal(next?.observedGeneration, 2);
});

Deno.test("reconcileBudget() counts an evicted pod as gone until it is, or two minutes have passed without its end", () => {
  const pods = [pod("a"), pod("b")];
  const at = (seconds: number) => ({ a: new Date(now - seconds * 1000).toISOString().replace(".000", "") });
  const settled = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  const fresh = run({ minAvailable: 1 }, pods, { ...settled, disruptedPods: at(10) });
  assert.deepEqual(numbers(fresh.next), [0, 1, 1, 2]);
  assert.deepEqual(Object.keys(fresh.next?.disruptedPods ?? {}), ["a"]);
  assert.equal(fresh.wakeAfterMs, 110_001);
  const stale = run({ minAvailable: 1 }, pods, { ...settled, disruptedPods: at(121) });
  assert.deepEqual(numbers(stale.next), [1, 2, 1, 2]);
  assert.equal(stale.next?.disruptedPods, undefined);
  assert.equal(run({ minAvailable: 1 }, pods, stale.next).next, undefined, "nothing is left to say");
});

Deno.test("reconcileBudget() allows nothing when it cannot tell how many there should be", () => {
  const budget: PodDisruptionBudget = { metadata: { name: "b" }, spec: { maxUnavailable: 1 } };
  const [action] = reconcileBudget({ budget, pods: [pod("a")], scales: new Map() }, now).actions;
  assert.ok(action?.kind === "updateStatus");
  const { status } = action.object as PodDisruptionBudget;
  assert.equal(status?.disruptionsAllowed, 0);
  assert.equal(status?.conditions?.[0]?.message, 'found no controllers for pod "a"');
});
