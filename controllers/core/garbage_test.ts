import assert from "node:assert/strict";
import type { Namespace } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { configMaps, namespaces, pods, replicaSets } from "../../api/resources.ts";
import { type Dependent, type OwnerState, reconcileGarbage } from "./garbage.ts";
import { reconcileNamespace } from "./namespace.ts";
import { reconcileServiceAccount } from "./service_account.ts";

const reference = (uid: string, block = true) => ({
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  name: uid,
  uid,
  controller: true,
  blockOwnerDeletion: block,
});

function decide(
  states: Record<string, OwnerState>,
  metadata: KubeObject["metadata"] = {},
  dependents: Dependent[] = [],
) {
  const ownerReferences = Object.keys(states).map((uid) => reference(uid));
  const object: KubeObject = { metadata: { name: "p", uid: "p", resourceVersion: "9", ownerReferences, ...metadata } };
  const owners = ownerReferences.map((each) => ({ reference: each, state: states[each.uid] ?? "solid" }));
  return reconcileGarbage({ info: pods, object, owners, dependents }).actions.map((action) => {
    if (action.kind === "delete") return `delete ${action.propagationPolicy}${action.sameVersion ? " at version" : ""}`;
    if (action.kind !== "patch") return action.kind;
    const { ownerReferences: left, finalizers } = action.patch["metadata"] as KubeObject["metadata"] & object;
    const name = action.object.metadata?.name;
    if (finalizers !== undefined) return `finalizers of ${name}: ${finalizers.join()}`;
    return `owners of ${name}: ${
      (left ?? []).map((each) => `${each.uid}${each.blockOwnerDeletion ? "" : "!"}`).join()
    }`;
  });
}

const dependent = (metadata: KubeObject["metadata"]): Dependent => ({
  info: replicaSets,
  object: { metadata: { name: "d", uid: "d", ...metadata } },
});

Deno.test("reconcileGarbage() deletes what all owners have left, and nothing that one still wants", () => {
  assert.deepEqual(decide({ a: "absent" }), ["delete Background at version"]);
  assert.deepEqual(decide({ a: "solid" }), []);
  assert.deepEqual(decide({ a: "absent", b: "solid", c: "waiting" }), ["owners of p: b"]);
  assert.deepEqual(decide({ a: "unresolvable" }), [], "what cannot be told is kept");
  assert.deepEqual(decide({}), []);
  assert.deepEqual(decide({ a: "absent" }, { finalizers: ["orphan"] }), ["delete Orphan at version"]);
});

Deno.test("reconcileGarbage() hands foreground deletion down while there are dependents, and breaks cycles", () => {
  assert.deepEqual(decide({ a: "waiting" }), ["delete Background at version"]);
  assert.deepEqual(decide({ a: "waiting" }, {}, [dependent({})]), ["delete Foreground at version"]);
  const circular = dependent({ deletionTimestamp: "x", finalizers: ["foregroundDeletion"] });
  assert.deepEqual(decide({ a: "waiting" }, {}, [circular]), ["owners of p: a!"]);
});

Deno.test("reconcileGarbage() lets a foreground-deleted owner go when nothing blocks it any more", () => {
  const deleting = { deletionTimestamp: "x", finalizers: ["mine", "foregroundDeletion"] };
  const blocking = dependent({ ownerReferences: [reference("p")] });
  const loose = dependent({ ownerReferences: [reference("p", false)] });
  assert.deepEqual(decide({}, deleting, [blocking]), []);
  assert.deepEqual(decide({}, deleting, [loose]), ["finalizers of p: mine"]);
  assert.deepEqual(decide({}, { deletionTimestamp: "x", finalizers: ["mine"] }, [blocking]), []);
});

Deno.test("reconcileGarbage() orphans: first the references go, then the finalizer", () => {
  const deleting = { deletionTimestamp: "x", finalizers: ["orphan"] };
  const owned = dependent({ ownerReferences: [reference("p"), reference("other")] });
  assert.deepEqual(decide({}, deleting, [owned]), ["owners of d: other"]);
  assert.deepEqual(decide({}, deleting, []), ["finalizers of p: "]);
});

Deno.test("reconcileNamespace() finalizes an empty namespace and says what a full one waits for", () => {
  const namespace = { metadata: { name: "n", resourceVersion: "1" }, status: { phase: "Terminating" } };
  const now = Date.UTC(2026, 0, 1);
  const empty = {
    namespace,
    remaining: new Map<string, number>(),
    finalizers: new Map<string, number>(),
    failures: [],
  };
  assert.equal(reconcileNamespace(empty, now).finalize, true);
  const full = { ...empty, remaining: new Map([["pods.", 2]]), finalizers: new Map([["x/y", 1]]) };
  const { actions, finalize } = reconcileNamespace(full, now);
  assert.equal(finalize, false);
  assert.ok(actions[0]?.kind === "updateStatus");
  const written = actions[0].object as Namespace;
  assert.deepEqual(written.status?.conditions?.slice(3).map((each) => each.message), [
    "Some resources are remaining: pods. has 2 resource instances",
    "Some content in the namespace has finalizers remaining: x/y in 1 resource instances",
  ]);
  assert.deepEqual(reconcileNamespace({ ...full, namespace: written }, now + 5000).actions, [], "settled");
  assert.equal(reconcileNamespace({ ...empty, failures: ["no"] }, now).finalize, false);
  assert.equal(actions[0].info, namespaces);
});

Deno.test("reconcileServiceAccount() makes both, mends the CA, and leaves a Terminating namespace alone", () => {
  const namespace = { metadata: { name: "n" } };
  const view = { namespace, defaultAccount: undefined, rootCa: undefined, clusterCaPem: "CA" };
  assert.deepEqual(
    reconcileServiceAccount(view).actions.map((action) => action.kind === "create" && action.object.metadata?.name),
    ["default", "kube-root-ca.crt"],
  );
  const rootCa = { metadata: { name: "kube-root-ca.crt" }, data: { "ca.crt": "old", extra: "1" } };
  const [mend, ...more] = reconcileServiceAccount({ ...view, defaultAccount: {}, rootCa }).actions;
  assert.equal(more.length, 0);
  assert.ok(mend?.kind === "patch" && mend.info === configMaps);
  assert.deepEqual(mend.patch, { data: { extra: null, "ca.crt": "CA" } });
  const terminating = { metadata: { name: "n", deletionTimestamp: "x" } };
  assert.deepEqual(reconcileServiceAccount({ ...view, namespace: terminating }).actions, []);
});
