/** Garbage collection, by what ReplicationControllers, Deployments and plain pods own. */
import assert from "node:assert/strict";
import type { Api, Loose } from "../api.ts";
import { type Check, count, create, eventually, gone, items, pod } from "../helpers.ts";
import { good, infoOf, merge, pathIn } from "../lifecycle.ts";

const controllers = infoOf("replicationcontrollers");
const deployments = infoOf("deployments");
const pods = infoOf("pods");
const configMaps = infoOf("configmaps");

type Propagation = "Background" | "Foreground" | "Orphan";

function template(labels: Loose): Loose {
  return { metadata: { labels }, spec: { ...pod("").spec, terminationGracePeriodSeconds: 0 } };
}

async function makeController(api: Api, namespace: string, name: string, replicas: number): Promise<Loose> {
  const labels = { rc: name };
  return await create(api, namespace, controllers, {
    metadata: { name },
    spec: { replicas, selector: labels, template: template(labels) },
  });
}

async function full(api: Api, namespace: string, name: string, replicas: number): Promise<void> {
  await eventually(`${name} has ${replicas} replicas`, async () => {
    const { body } = await api.call("GET", pathIn(controllers, namespace, name));
    return body.status?.replicas === replicas;
  });
}

async function remove(api: Api, path: string, { metadata }: Loose, propagationPolicy: Propagation): Promise<void> {
  const options = { propagationPolicy, preconditions: { uid: metadata.uid } };
  good(await api.call("DELETE", path, options), 200, `delete ${path}`);
}

/** Resolves when the collector has dealt with an owner that went after everything before: what it spares, it spared. */
async function collectorCaughtUp(api: Api, namespace: string): Promise<void> {
  const owner = await create(api, namespace, configMaps, { metadata: { name: "fence" } });
  const { uid } = owner.metadata;
  const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "fence", uid }];
  await create(api, namespace, configMaps, { metadata: { name: "fenced", ownerReferences } });
  await remove(api, pathIn(configMaps, namespace, "fence"), owner, "Background");
  await gone(api, pathIn(configMaps, namespace, "fenced"));
}

async function makeDeployment(api: Api, namespace: string): Promise<Loose> {
  const labels = { app: "simpletest" };
  const spec = { replicas: 2, selector: { matchLabels: labels }, template: template(labels) };
  const made = await create(api, namespace, deployments, { metadata: { name: "simpletest.deployment" }, spec });
  await count(api, namespace, "replicasets", 1);
  return made;
}

/** Both names of a pod's owners, in order. */
function owners({ metadata }: Loose): string[] {
  return (metadata.ownerReferences ?? []).map((it: Loose) => it.name);
}

export const garbageChecks: Readonly<Record<string, Check>> = {
  async "pods go with their controller"(api, namespace) {
    const made = await makeController(api, namespace, "simpletest.rc", 2);
    await eventually("a pod", async () => (await items(api, namespace, "pods")).length > 0);
    await remove(api, pathIn(controllers, namespace, "simpletest.rc"), made, "Background");
    await count(api, namespace, "replicationcontrollers", 0);
    await count(api, namespace, "pods", 0);
  },
  async "pods orphaned by their controller"(api, namespace) {
    const made = await makeController(api, namespace, "simpletest.rc", 10);
    await full(api, namespace, "simpletest.rc", 10);
    await remove(api, pathIn(controllers, namespace, "simpletest.rc"), made, "Orphan");
    await count(api, namespace, "replicationcontrollers", 0);
    await collectorCaughtUp(api, namespace);
    const left = await items(api, namespace, "pods");
    assert.equal(left.length, 10);
    for (const each of left) {
      assert.deepEqual(owners(each), []);
      assert.equal(each.metadata.deletionTimestamp, undefined);
    }
  },
  async "controller waits for its pods"(api, namespace) {
    const path = pathIn(controllers, namespace, "simpletest.rc");
    const made = await makeController(api, namespace, "simpletest.rc", 10);
    await full(api, namespace, "simpletest.rc", 10);
    const [held] = await items(api, namespace, "pods");
    const heldPath = pathIn(pods, namespace, held.metadata.name);
    const hold = { metadata: { finalizers: ["conformance.example.com/hold"] } };
    good(await api.call("PATCH", heldPath, hold, merge), 200, "hold");
    await remove(api, path, made, "Foreground");
    await count(api, namespace, "pods", 1);
    await collectorCaughtUp(api, namespace);
    const waiting = good(await api.call("GET", path), 200, "the controller while a pod is left");
    assert.ok(waiting.metadata.deletionTimestamp !== undefined);
    assert.deepEqual(waiting.metadata.finalizers, ["foregroundDeletion"]);
    good(await api.call("PATCH", heldPath, { metadata: { finalizers: null } }, merge), 200, "release");
    await gone(api, path);
    assert.deepEqual(await items(api, namespace, "pods"), []);
  },
  async "dependents with a second owner"(api, namespace) {
    const [goes, stays] = ["simpletest-rc-to-be-deleted", "simpletest-rc-to-stay"];
    const going = await makeController(api, namespace, goes, 10);
    const staying = await makeController(api, namespace, stays, 0);
    await full(api, namespace, goes, 10);
    const all = await items(api, namespace, "pods");
    const second = { apiVersion: "v1", kind: "ReplicationController", name: stays, uid: staying.metadata.uid };
    for (const each of all.slice(0, 5)) {
      const ownerReferences = [...each.metadata.ownerReferences, second];
      const patch = { metadata: { ownerReferences } };
      good(await api.call("PATCH", pathIn(pods, namespace, each.metadata.name), patch, merge), 200, "second owner");
    }
    await remove(api, pathIn(controllers, namespace, goes), going, "Foreground");
    await gone(api, pathIn(controllers, namespace, goes));
    await collectorCaughtUp(api, namespace);
    const left = await items(api, namespace, "pods");
    assert.equal(left.length, 5);
    for (const each of left) {
      assert.deepEqual(owners(each), [stays]);
      assert.equal(each.metadata.deletionTimestamp, undefined);
    }
  },
  async "a circle of dependents"(api, namespace) {
    const made: Loose[] = [];
    for (const name of ["pod1", "pod2", "pod3"]) made.push(await create(api, namespace, pods, pod(name)));
    for (const [at, each] of made.entries()) {
      const { name, uid } = made[(at + 2) % 3].metadata;
      const ownerReferences = [{
        apiVersion: "v1",
        kind: "Pod",
        name,
        uid,
        controller: true,
        blockOwnerDeletion: true,
      }];
      const path = pathIn(pods, namespace, each.metadata.name);
      good(await api.call("PATCH", path, { metadata: { ownerReferences } }, merge), 200, "own");
    }
    await remove(api, pathIn(pods, namespace, "pod1"), made[0], "Foreground");
    await count(api, namespace, "pods", 0);
  },
  async "sets go with their deployment"(api, namespace) {
    const made = await makeDeployment(api, namespace);
    await remove(api, pathIn(deployments, namespace, made.metadata.name), made, "Background");
    for (const resource of ["deployments", "replicasets", "pods"]) await count(api, namespace, resource, 0);
  },
  async "sets orphaned by their deployment"(api, namespace) {
    const made = await makeDeployment(api, namespace);
    await count(api, namespace, "pods", 2);
    await remove(api, pathIn(deployments, namespace, made.metadata.name), made, "Orphan");
    await count(api, namespace, "deployments", 0);
    await collectorCaughtUp(api, namespace);
    const sets = await items(api, namespace, "replicasets");
    assert.deepEqual(sets.map(owners), [[]]);
    assert.equal((await items(api, namespace, "pods")).length, 2);
  },
};
