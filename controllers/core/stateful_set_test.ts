import { deepEqual, equal, ok } from "node:assert/strict";
import type { PersistentVolumeClaim, Pod } from "../../api/gen/types.ts";
import { isPodActive, isPodAvailable } from "../../api/pods.ts";
import { type Prng, prng } from "../../base/prng.ts";
import { ordinalIn, revisionOf } from "./stateful_pods.ts";
import { statefulSet, StatefulWorld } from "./stateful_testing.ts";

const names = (world: StatefulWorld) => world.show().map((each) => each.replace(/^\(?(web-\d+).*$/, "$1"));
const data: PersistentVolumeClaim = {
  metadata: { name: "data", labels: { tier: "disk" } },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
};
const owners = (world: StatefulWorld, name: string) =>
  world.claims.get(name)?.metadata?.ownerReferences?.map((each) => `${each.kind}/${each.name}`);

Deno.test("reconcileStatefulSet() makes pods in order, each with its name, labels, host name and revision", () => {
  const world = new StatefulWorld(statefulSet({ ordinals: { start: 2 } }));
  world.reconcile();
  deepEqual(world.show(), ["web-2: v1?"]);
  world.reconcile();
  deepEqual(world.show(), ["web-2: v1?"], "the next waits");
  world.setPhase("web-2", "Running");
  world.reconcile();
  deepEqual(world.show(), ["web-2: v1", "web-3: v1?"]);
  const pod = world.pods.get("web-3");
  const revision = world.set.status?.updateRevision ?? "";
  ok(world.revisions.has(revision));
  deepEqual(pod?.metadata?.labels, {
    app: "web",
    "statefulset.kubernetes.io/pod-name": "web-3",
    "apps.kubernetes.io/pod-index": "3",
    "controller-revision-hash": revision,
  });
  equal(pod?.spec?.hostname, "web-3");
  equal(pod?.spec?.subdomain, "headless");
  equal(pod?.metadata?.ownerReferences?.[0]?.uid, "sts");
  world.settle();
  deepEqual(world.set.status, {
    replicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    currentReplicas: 3,
    updatedReplicas: 3,
    currentRevision: revision,
    updateRevision: revision,
    observedGeneration: 1,
    collisionCount: 0,
  });
  equal(world.events[0], "SuccessfulCreate create Pod web-2 in StatefulSet web successful");
});

Deno.test("reconcileStatefulSet() waits for minReadySeconds, and says when to look again", () => {
  const world = new StatefulWorld(statefulSet({ minReadySeconds: 10 }));
  world.reconcile();
  world.setPhase("web-0", "Running");
  equal(world.reconcile().wakeAfterMs, 10_000);
  deepEqual(names(world), ["web-0"]);
  world.now += 10_000;
  world.reconcile();
  deepEqual(names(world), ["web-0", "web-1"]);
});

Deno.test("reconcileStatefulSet() scales down from the top, one at a time", () => {
  const world = new StatefulWorld(statefulSet({ replicas: 4 }));
  world.settle();
  world.edit((spec) => spec.replicas = 1);
  world.reconcile();
  deepEqual(world.show(), ["web-0: v1", "web-1: v1", "web-2: v1", "(web-3: v1)"]);
  world.reconcile();
  equal(world.show()[2], "web-2: v1");
  world.advance("web-3");
  world.setPhase("web-0", "Pending");
  world.reconcile();
  deepEqual(world.show(), ["web-0: v1?", "web-1: v1", "web-2: v1"], "not while one that stays is not ready");
  world.settle();
  deepEqual(world.show(), ["web-0: v1"]);
  equal(world.events.at(-1), "SuccessfulDelete delete Pod web-1 in StatefulSet web successful");
});

Deno.test("reconcileStatefulSet() makes and removes all at once when Parallel", () => {
  const world = new StatefulWorld(statefulSet({ podManagementPolicy: "Parallel" }));
  world.reconcile();
  deepEqual(names(world), ["web-0", "web-1", "web-2"]);
  world.edit((spec) => spec.ordinals = { start: 3 });
  world.reconcile();
  deepEqual(world.show(), [
    ...["(web-0: v1?)", "(web-1: v1?)", "(web-2: v1?)"],
    ...["web-3: v1?", "web-4: v1?", "web-5: v1?"],
  ]);
});

Deno.test("reconcileStatefulSet() replaces pods that failed or succeeded", () => {
  const world = new StatefulWorld(statefulSet());
  world.settle();
  for (const phase of ["Failed", "Succeeded"]) {
    const before = world.pods.get("web-1")?.metadata?.uid;
    world.setPhase("web-1", phase);
    world.settle();
    ok(world.pods.get("web-1")?.metadata?.uid !== before);
    deepEqual(world.show(), ["web-0: v1", "web-1: v1", "web-2: v1"]);
  }
});

Deno.test("reconcileStatefulSet() rolls out from the top, down to the partition; below it pods come back as they were", () => {
  const world = new StatefulWorld(statefulSet({
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 1 } },
  }));
  world.settle();
  const first = world.set.status?.updateRevision;
  world.setImage("v2");
  world.reconcile();
  deepEqual(world.show(), ["web-0: v1", "web-1: v1", "(web-2: v1)"]);
  world.settle();
  deepEqual(world.show(), ["web-0: v1", "web-1: v2", "web-2: v2"]);
  const { currentRevision, updateRevision, currentReplicas, updatedReplicas } = world.set.status ?? {};
  deepEqual([currentRevision, currentReplicas, updatedReplicas], [first, 1, 2]);
  ok(updateRevision !== first);
  world.delete("web-0");
  world.delete("web-2");
  world.settle();
  deepEqual(world.show(), ["web-0: v1", "web-1: v2", "web-2: v2"]);
  world.edit((spec) => spec.updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 0 } });
  world.settle();
  deepEqual(world.show(), ["web-0: v2", "web-1: v2", "web-2: v2"]);
  equal(world.set.status?.currentRevision, updateRevision);
});

Deno.test("reconcileStatefulSet() leaves replacing to whoever deletes pods when OnDelete", () => {
  const world = new StatefulWorld(statefulSet({ updateStrategy: { type: "OnDelete" } }));
  world.settle();
  world.setImage("v2");
  world.settle();
  deepEqual(world.show(), ["web-0: v1", "web-1: v1", "web-2: v1"]);
  world.delete("web-0");
  world.settle();
  deepEqual(world.show(), ["web-0: v2", "web-1: v1", "web-2: v1"]);
});

Deno.test("reconcileStatefulSet() is held up by a pod that never gets ready until somebody deletes it, as upstream", () => {
  const world = new StatefulWorld(statefulSet());
  world.broken.add("v2");
  world.settle();
  world.setImage("v2");
  world.settle();
  deepEqual(world.show(), ["web-0: v1", "web-1: v1", "web-2: v2?"]);
  world.setImage("v3");
  world.settle();
  deepEqual(world.show(), ["web-0: v1", "web-1: v1", "web-2: v2?"]);
  world.delete("web-2");
  world.settle();
  deepEqual(world.show(), ["web-0: v3", "web-1: v3", "web-2: v3"]);

  const parallel = new StatefulWorld(statefulSet({ podManagementPolicy: "Parallel" }));
  parallel.broken.add("v2");
  parallel.settle();
  parallel.setImage("v2");
  parallel.settle();
  parallel.setImage("v3");
  parallel.settle();
  deepEqual(parallel.show(), ["web-0: v3", "web-1: v3", "web-2: v3"], "Parallel does not wait for it");
});

Deno.test("reconcileStatefulSet() takes an earlier template's revision up again, and forgets the oldest unused ones", () => {
  const world = new StatefulWorld(statefulSet({ revisionHistoryLimit: 1 }));
  world.settle();
  const first = world.set.status?.updateRevision;
  world.setImage("v2");
  world.settle();
  world.setImage("v1");
  world.settle();
  equal(world.set.status?.updateRevision, first);
  equal(world.revisions.get(first ?? "")?.revision, 3);
  for (const image of ["v4", "v5"]) {
    world.setImage(image);
    world.settle();
  }
  deepEqual([...world.revisions.values()].map((each) => each.revision).sort(), [4, 5]);
});

Deno.test("reconcileStatefulSet() adopts orphans with its names and releases what no longer matches", () => {
  const world = new StatefulWorld(statefulSet({ replicas: 1 }));
  const orphan = (name: string): Pod => ({
    metadata: { name, namespace: "d", uid: name, labels: { app: "web" } },
    spec: { containers: [{ name: "c", image: "v1" }] },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  });
  for (const name of ["web-0", "web-00", "other-1"]) world.pods.set(name, orphan(name));
  world.reconcile();
  const ownerOf = (name: string) => world.pods.get(name)?.metadata?.ownerReferences?.map((each) => each.uid);
  deepEqual([ownerOf("web-0"), ownerOf("web-00"), ownerOf("other-1")], [["sts"], undefined, undefined]);
  world.reconcile();
  equal(world.pods.get("web-0")?.metadata?.labels?.["statefulset.kubernetes.io/pod-name"], "web-0");
  ok(world.events.includes("SuccessfulUpdate update Pod web-0 in StatefulSet web successful"));
  world.settle();
  const pod = world.pods.get("web-0");
  if (pod !== undefined) world.pods.set("web-0", { ...pod, metadata: { ...pod.metadata, labels: {} } });
  world.reconcile();
  deepEqual(ownerOf("web-0"), []);
});

Deno.test("reconcileStatefulSet() makes claims before their pod, names them in its volumes, and keeps them", () => {
  const world = new StatefulWorld(statefulSet({ volumeClaimTemplates: [data] }));
  const { actions } = world.decide();
  deepEqual(
    actions.flatMap((each) => each.kind === "create" ? [`${each.info.kind} ${each.object.metadata?.name}`] : [])
      .slice(1),
    ["PersistentVolumeClaim data-web-0", "Pod web-0"],
  );
  world.settle();
  const pod = world.pods.get("web-1");
  deepEqual(pod?.spec?.volumes, [{ name: "data", persistentVolumeClaim: { claimName: "data-web-1" } }]);
  const claim = world.claims.get("data-web-1");
  deepEqual(claim?.metadata?.labels, { tier: "disk", app: "web" });
  deepEqual(claim?.spec, data.spec);
  equal(claim?.metadata?.ownerReferences, undefined);
  equal(world.events[0], "SuccessfulCreate create Claim data-web-0 Pod web-0 in StatefulSet web success");
  const uid = world.claims.get("data-web-2")?.metadata?.uid;
  world.edit((spec) => spec.replicas = 1);
  world.settle();
  world.edit((spec) => spec.replicas = 3);
  world.settle();
  equal(world.claims.get("data-web-2")?.metadata?.uid, uid);
});

Deno.test("reconcileStatefulSet() makes each claim just before its pod when Parallel: a quota of claims stops neither", () => {
  const world = new StatefulWorld(statefulSet({ podManagementPolicy: "Parallel", volumeClaimTemplates: [data] }));
  world.claims.set("data-web-1", { metadata: { name: "data-web-1" } });
  const made = world.decide().actions.flatMap((each) => {
    if (each.kind === "create") return [each.object.metadata?.name];
    return each.kind === "createMany" ? each.objects.map(({ metadata }) => metadata?.name) : [];
  });
  deepEqual(made.slice(1), ["web-1", "data-web-0", "web-0", "data-web-2", "web-2"]);
});

Deno.test("reconcileStatefulSet() makes the set own claims that go with it, and pods those that go when scaled down", () => {
  const world = new StatefulWorld(statefulSet({ volumeClaimTemplates: [data] }));
  world.settle();
  world.edit((spec) => spec.persistentVolumeClaimRetentionPolicy = { whenDeleted: "Delete", whenScaled: "Delete" });
  world.settle();
  deepEqual(owners(world, "data-web-2"), ["StatefulSet/web"]);
  world.edit((spec) => spec.replicas = 2);
  world.reconcile();
  deepEqual(owners(world, "data-web-2"), ["Pod/web-2"]);
  deepEqual(owners(world, "data-web-1"), ["StatefulSet/web"]);
  world.settle();
  deepEqual([...world.claims.keys()], ["data-web-0", "data-web-1"]);
  world.edit((spec) => spec.persistentVolumeClaimRetentionPolicy = { whenDeleted: "Retain", whenScaled: "Delete" });
  world.settle();
  deepEqual(owners(world, "data-web-1"), []);
});

Deno.test("reconcileStatefulSet() does not make a pod while the claim of an earlier one is going", () => {
  const world = new StatefulWorld(statefulSet({
    volumeClaimTemplates: [data],
    persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Delete" },
  }));
  const owner = { apiVersion: "v1", kind: "Pod", name: "web-0", uid: "earlier", controller: true };
  world.claims.set("data-web-0", { metadata: { name: "data-web-0", ownerReferences: [owner] } });
  world.reconcile();
  deepEqual(world.show(), []);
  world.claims.set("data-web-0", { metadata: { name: "data-web-0", deletionTimestamp: "2026-01-01T00:00:00Z" } });
  world.reconcile();
  deepEqual(world.show(), []);
  equal(
    world.events.at(-1),
    "FailedCreate create Pod web-0 in StatefulSet web failed error: pvc data-web-0 is being deleted",
  );
  world.claims.delete("data-web-0");
  world.settle();
  equal(world.pods.size, 3);
});

Deno.test("reconcileStatefulSet() leaves claims that another controller owns, and says so", () => {
  const world = new StatefulWorld(statefulSet({
    replicas: 1,
    volumeClaimTemplates: [data],
    persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete", whenScaled: "Retain" },
  }));
  const owner = { apiVersion: "v1", kind: "Disk", name: "d", uid: "d", controller: true };
  world.claims.set("data-web-0", { metadata: { name: "data-web-0", ownerReferences: [owner] } });
  world.settle();
  deepEqual(owners(world, "data-web-0"), ["Disk/d"]);
  ok(world.events.some((each) => each.startsWith("ConflictingController PersistentVolumeClaim data-web-0 has")));
});

Deno.test("reconcileStatefulSet() only counts once its set is being deleted", () => {
  const world = new StatefulWorld(statefulSet());
  world.reconcile();
  world.set = { ...world.set, metadata: { ...world.set.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
  world.setPhase("web-0", "Running");
  deepEqual(world.decide().actions.map(({ kind }) => kind), ["updateStatus"]);
});

Deno.test("reconcileStatefulSet() keeps order, partition and one pod an ordinal over random histories", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = prng(seed);
    const ordered = random.int(3) > 0;
    const world = new StatefulWorld(statefulSet({
      podManagementPolicy: ordered ? "OrderedReady" : "Parallel",
      minReadySeconds: random.int(2) * 3,
      ...(random.int(2) === 0 ? {} : { volumeClaimTemplates: [data] }),
    }));
    for (let i = 0; i < 150; i++) {
      if (random.int(12) === 0) disturb(world, random);
      const before = new Map(world.pods);
      const spec = world.set.spec;
      world.step(random);
      check(world, before, ordered, `seed ${seed} step ${i}`);
      equal(spec, world.set.spec);
    }
    const last = [...world.pods.values()].some((pod) => !isPodActive(pod));
    world.settle();
    const replicas = world.set.spec?.replicas ?? 0;
    const start = world.set.spec?.ordinals?.start ?? 0;
    deepEqual(names(world), Array.from({ length: replicas }, (_, i) => `web-${start + i}`), `seed ${seed} ${last}`);
  }
});

function disturb(world: StatefulWorld, random: Prng): void {
  const pods = [...world.pods.keys()];
  const some = pods[random.int(Math.max(1, pods.length))] ?? "";
  switch (random.int(6)) {
    case 0:
      return world.edit((spec) => spec.replicas = random.int(6));
    case 1:
      return world.setImage(`v${random.int(4)}`);
    case 2:
      return world.edit((spec) => spec.ordinals = { start: random.int(3) });
    case 3:
      return world.edit((spec) =>
        spec.updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: random.int(4) } }
      );
    case 4:
      return world.delete(some);
    default:
      return world.setPhase(some, "Failed");
  }
}

/** What the core did in one step, judged by what it could see then. Creating a name that exists throws by itself. */
function check(world: StatefulWorld, before: ReadonlyMap<string, Pod>, ordered: boolean, at: string): void {
  const { set } = world;
  const start = set.spec?.ordinals?.start ?? 0;
  const partition = start + (set.spec?.updateStrategy?.rollingUpdate?.partition ?? 0);
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const ordinal = (name: string) => ordinalIn(set, name) ?? -1;
  const made = [...world.pods.values()].filter((pod) =>
    before.get(pod.metadata?.name ?? "")?.metadata?.uid !== pod.metadata?.uid
  );
  for (const pod of made) {
    const mine = ordinal(pod.metadata?.name ?? "");
    ok(mine >= start && mine < start + (set.spec?.replicas ?? 0), `${at}: made outside the range`);
    if (mine >= partition) equal(revisionOf(pod), set.status?.updateRevision, `${at}: made of an old revision`);
    if (!ordered) continue;
    for (let other = start; other < mine; other++) {
      const earlier = world.pods.get(`web-${other}`);
      ok(
        earlier !== undefined && isPodActive(earlier) && isPodAvailable(earlier, minReadySeconds, world.now),
        `${at}: web-${mine} before web-${other} is available`,
      );
    }
  }
  const doomed = [...world.pods.values()].filter((pod) =>
    pod.metadata?.deletionTimestamp !== undefined &&
    before.get(pod.metadata.name ?? "")?.metadata?.deletionTimestamp === undefined
  );
  if (ordered) ok(doomed.length + made.length <= 1, `${at}: more than one at a time`);
  for (const pod of doomed) {
    const mine = ordinal(pod.metadata?.name ?? "");
    const inRange = mine >= start && mine < start + (set.spec?.replicas ?? 0);
    if (inRange) ok(mine >= partition, `${at}: web-${mine} replaced below the partition`);
  }
}
