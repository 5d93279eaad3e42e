import assert from "node:assert/strict";
import type { Pod, PodSpec, Taint, Toleration } from "../../api/gen/types.ts";
import { isPodActive } from "../../api/pods.ts";
import { formatTime } from "../../api/time.ts";
import { prng } from "../../base/prng.ts";
import { daemonPod, placementOf, type Verdict, verdictOn } from "./daemon_pods.ts";
import { daemonSet, DaemonWorld, node } from "./daemon_testing.ts";
import { reconcileDaemonSet } from "./daemon_set.ts";

const threeNodes = () => ["n1", "n2", "n3"].map((name) => node(name));
const podOf = (world: DaemonWorld, name: string): Pod => {
  const pod = [...world.pods.values()].find((each) => each.spec?.nodeName === name);
  assert.ok(pod !== undefined, `no pod on ${name}`);
  return pod;
};

Deno.test("verdictOn() follows selector, affinity, node name and taints as upstream", () => {
  const taint = (key: string, effect: string): Taint => ({ key, effect });
  const required = (key: string, operator: string, values: string[]) => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
        },
      },
    },
  });
  const cases: [string, Partial<PodSpec>, ReturnType<typeof node>, Verdict][] = [
    ["plain", {}, node("n"), "run"],
    ["selector holds", { nodeSelector: { disk: "ssd" } }, node("n", { labels: { disk: "ssd" } }), "run"],
    ["selector fails", { nodeSelector: { disk: "ssd" } }, node("n"), "leave"],
    ["affinity holds", required("disk", "In", ["ssd"]), node("n", { labels: { disk: "ssd" } }), "run"],
    ["affinity fails", required("disk", "NotIn", ["ssd"]), node("n", { labels: { disk: "ssd" } }), "leave"],
    ["its node", { nodeName: "n" }, node("n"), "run"],
    ["another node", { nodeName: "m" }, node("n"), "leave"],
    ["NoSchedule", {}, node("n", { taints: [taint("mine", "NoSchedule")] }), "stay"],
    ["NoExecute", {}, node("n", { taints: [taint("mine", "NoExecute")] }), "leave"],
    ["PreferNoSchedule", {}, node("n", { taints: [taint("mine", "PreferNoSchedule")] }), "run"],
    ["tolerated", { tolerations: [{ operator: "Exists" }] }, node("n", { taints: [taint("x", "NoExecute")] }), "run"],
    ...["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map((
      name,
    ): [string, Partial<PodSpec>, ReturnType<typeof node>, Verdict] => [
      name,
      {},
      node("n", { taints: [taint(`node.kubernetes.io/${name}`, "NoSchedule")] }),
      "run",
    ]),
    ...["not-ready", "unreachable"].map((name): [string, Partial<PodSpec>, ReturnType<typeof node>, Verdict] => [
      name,
      {},
      node("n", { taints: [taint(`node.kubernetes.io/${name}`, "NoExecute")] }),
      "run",
    ]),
    ["not-ready NoSchedule", {}, node("n", { taints: [taint("node.kubernetes.io/not-ready", "NoSchedule")] }), "stay"],
    ["no network", {}, node("n", { taints: [taint("node.kubernetes.io/network-unavailable", "NoSchedule")] }), "stay"],
    [
      "no network, the host's used",
      { hostNetwork: true },
      node("n", { taints: [taint("node.kubernetes.io/network-unavailable", "NoSchedule")] }),
      "run",
    ],
  ];
  for (const [name, spec, on, expected] of cases) {
    const set = daemonSet({ template: { spec: { containers: [], ...spec } } });
    assert.equal(verdictOn(on, placementOf(set)), expected, name);
  }
});

Deno.test("daemonPod() pins by name, keeps preferences, tolerates for ever what it tolerated for a time", () => {
  const tolerations: Toleration[] = [
    { key: "mine", operator: "Exists" },
    { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 },
  ];
  const preferred = [{ weight: 1, preference: { matchExpressions: [{ key: "a", operator: "Exists" }] } }];
  const set = daemonSet({
    template: {
      metadata: { labels: { app: "log" } },
      spec: {
        containers: [],
        tolerations,
        affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } },
      },
    },
  });
  set.metadata = { ...set.metadata, annotations: { "deprecated.daemonset.template.generation": "7" } };
  const { metadata, spec } = daemonPod(set, "n1", "abc");
  assert.equal(metadata?.generateName, "log-");
  assert.deepEqual(metadata?.labels, {
    app: "log",
    "controller-revision-hash": "abc",
    "pod-template-generation": "7",
  });
  assert.deepEqual(spec?.affinity?.nodeAffinity, {
    preferredDuringSchedulingIgnoredDuringExecution: preferred,
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] }],
    },
  });
  assert.deepEqual(
    spec?.tolerations?.map(({ key, effect, tolerationSeconds }) => `${key} ${effect} ${tolerationSeconds}`),
    [
      "mine undefined undefined",
      "node.kubernetes.io/not-ready NoExecute undefined",
      "node.kubernetes.io/unreachable NoExecute undefined",
      "node.kubernetes.io/disk-pressure NoSchedule undefined",
      "node.kubernetes.io/memory-pressure NoSchedule undefined",
      "node.kubernetes.io/pid-pressure NoSchedule undefined",
      "node.kubernetes.io/unschedulable NoSchedule undefined",
    ],
  );
});

Deno.test("reconcileDaemonSet() makes a revision, then a pod a node; nodes come, go and change", () => {
  const world = new DaemonWorld(daemonSet(), threeNodes());
  const { actions } = world.reconcile();
  assert.deepEqual(actions.map((each) => each.kind), ["create", "updateStatus", "createMany"]);
  world.settle();
  assert.deepEqual(world.show(), ["n1: v1", "n2: v1", "n3: v1"]);
  assert.deepEqual(world.daemonSet.status, {
    currentNumberScheduled: 3,
    desiredNumberScheduled: 3,
    numberAvailable: 3,
    numberMisscheduled: 0,
    numberReady: 3,
    observedGeneration: 1,
    updatedNumberScheduled: 3,
  });
  world.nodes.set("n4", node("n4"));
  world.nodes.set("n1", node("n1", { taints: [{ key: "mine", effect: "NoSchedule" }] }));
  world.nodes.set("n2", node("n2", { taints: [{ key: "mine", effect: "NoExecute" }] }));
  world.reconcile();
  assert.deepEqual(world.show(), ["n1: v1", "n2: (v1)", "n3: v1", "n4: v1"]);
  world.settle();
  assert.deepEqual(world.show(), ["n1: v1", "n3: v1", "n4: v1"]);
  assert.equal(world.daemonSet.status?.numberMisscheduled, 1);
  assert.equal(world.daemonSet.status?.desiredNumberScheduled, 2);
});

Deno.test("reconcileDaemonSet() deletes pods that wait for a node that is gone", () => {
  const world = new DaemonWorld(daemonSet(), threeNodes());
  world.reconcile();
  world.nodes.delete("n2");
  world.reconcile();
  assert.deepEqual(world.show(), ["n1: v1", "n3: v1"]);
});

Deno.test("reconcileDaemonSet() replaces finished pods, failed ones ever later, and says so", () => {
  const world = new DaemonWorld(daemonSet(), [node("n1")]);
  world.settle();
  const waits: (number | undefined)[] = [];
  for (let i = 0; i < 4; i++) {
    world.set(podOf(world, "n1"), "Failed");
    const before = world.pods.size;
    const { wakeAfterMs } = world.reconcile();
    waits.push(wakeAfterMs);
    if (wakeAfterMs !== undefined) {
      assert.equal(world.pods.size, before);
      world.now += wakeAfterMs;
      world.reconcile();
    }
    world.reconcile();
    for (const pod of [...world.pods.values()]) world.advance(pod);
  }
  assert.deepEqual(waits, [undefined, 1_000, 2_000, 4_000]);
  assert.match(
    world.events[0] ?? "",
    /^FailedDaemonPod Found failed daemon pod d\/log-1 on node n1, will try to kill it$/,
  );
  world.set(podOf(world, "n1"), "Succeeded");
  world.reconcile();
  assert.match(world.events.at(-1) ?? "", /^SucceededDaemonPod Found succeeded daemon pod d\/log-\d on node n1, will/);
  world.settle();
  assert.deepEqual(world.show(), ["n1: v1"]);
});

Deno.test("reconcileDaemonSet() adopts, releases, and keeps one pod a node: the one that is there longest", () => {
  const world = new DaemonWorld(daemonSet(), threeNodes());
  world.settle();
  const first = podOf(world, "n1");
  const metadata = { ...first.metadata, name: "orphan", uid: "orphan", ownerReferences: [] };
  world.pods.set("orphan", { ...first, metadata: { ...metadata, creationTimestamp: formatTime(0) } });
  const strayed = podOf(world, "n2");
  world.pods.set(strayed.metadata?.name ?? "", { ...strayed, metadata: { ...strayed.metadata, labels: {} } });
  world.reconcile();
  assert.equal(world.pods.get("orphan")?.metadata?.ownerReferences?.[0]?.uid, "ds");
  assert.deepEqual(world.pods.get(strayed.metadata?.name ?? "")?.metadata?.ownerReferences, []);
  world.settle();
  assert.ok(world.pods.has("orphan"));
  assert.ok(!world.pods.has(first.metadata?.name ?? ""));
  assert.equal(world.pods.size, 4, "the released one and one a node");
});

Deno.test("reconcileDaemonSet() in deletion does nothing", () => {
  const world = new DaemonWorld(daemonSet(), threeNodes());
  world.daemonSet.metadata = { ...world.daemonSet.metadata, deletionTimestamp: formatTime(world.now) };
  assert.deepEqual(world.reconcile().actions, []);
});

Deno.test("OnDelete leaves old pods until somebody deletes them", () => {
  const world = new DaemonWorld(daemonSet({ updateStrategy: { type: "OnDelete" } }), threeNodes());
  world.settle();
  world.setImage("v2");
  world.settle();
  assert.deepEqual(world.show(), ["n1: v1", "n2: v1", "n3: v1"]);
  assert.equal(world.daemonSet.status?.updatedNumberScheduled, undefined);
  world.pods.delete(podOf(world, "n2").metadata?.name ?? "");
  world.settle();
  assert.deepEqual(world.show(), ["n1: v1", "n2: v2", "n3: v1"]);
});

Deno.test("history: each template a revision, one that comes back the newest, old ones beyond the limit deleted", () => {
  const world = new DaemonWorld(daemonSet({ revisionHistoryLimit: 2 }), threeNodes());
  const history = () =>
    [...world.revisions.values()].map(({ revision, data }) =>
      `${revision}: ${(data as { spec: { template: { spec: PodSpec } } }).spec.template.spec.containers[0]?.image}`
    ).sort();
  for (const image of ["v1", "v2", "v1", "v3"]) {
    world.setImage(image);
    world.settle();
  }
  assert.deepEqual(history(), ["2: v2", "3: v1", "4: v3"]);
  world.setImage("v4");
  world.settle();
  assert.deepEqual(history(), ["3: v1", "4: v3", "5: v4"]);
});

Deno.test("a rollout replaces at once what is not available, and waits for a new pod that does not get ready", () => {
  const world = new DaemonWorld(daemonSet(), threeNodes());
  world.settle();
  world.set(podOf(world, "n2"), "Pending");
  world.setImage("v2");
  world.reconcile();
  assert.deepEqual(world.show(), ["n1: v1", "n2: (v1)", "n3: v1"]);
  for (let i = 0; i < 5; i++) {
    // All that happens but that a pod gets ready.
    for (const pod of [...world.pods.values()]) if (!isPodActive(pod) || !pod.spec?.nodeName) world.advance(pod);
    world.reconcile();
  }
  assert.deepEqual(world.show(), ["n1: v1", "n2: v2", "n3: v1"]);
});

Deno.test("rollouts keep within maxUnavailable or maxSurge, one pod a node, over 120 random histories", () => {
  for (let seed = 1; seed <= 120; seed++) {
    const random = prng(seed);
    const count = 1 + random.int(8);
    const limit = [1, 2, "25%", "100%"][random.int(4)] ?? 1;
    const surging = random.int(2) === 0;
    const rollingUpdate = surging ? { maxSurge: limit, maxUnavailable: 0 } : { maxSurge: 0, maxUnavailable: limit };
    const allowed = typeof limit === "number" ? limit : Math.ceil(count * Number.parseInt(limit, 10) / 100);
    const nodes = Array.from({ length: count }, (_, i) => node(`n${i}`));
    const minReadySeconds = random.int(2) * 5;
    const world = new DaemonWorld(
      daemonSet({ updateStrategy: { type: "RollingUpdate", rollingUpdate }, minReadySeconds }),
      nodes,
    );
    world.settle();
    for (let i = 0; i < 200; i++) {
      if (i === 0 || random.int(60) === 0) world.setImage(`v${seed}-${i}`);
      world.step(random);
      const what = `seed ${seed} step ${i}: ${JSON.stringify(rollingUpdate)} on ${count}: ${world.show().join(", ")}`;
      if (surging) {
        assert.ok(world.available === count, what);
        const doubled = [...world.countOn(isPodActive).values()].filter((each) => each > 1);
        assert.ok(doubled.length <= allowed && doubled.every((each) => each === 2), what);
      } else {
        assert.ok(world.available >= count - allowed, what);
        assert.ok([...world.countOn(() => true).values()].every((each) => each === 1), what);
      }
    }
    world.settle();
    assert.equal(world.daemonSet.status?.updatedNumberScheduled, count, `seed ${seed}`);
    assert.equal(world.daemonSet.status?.numberAvailable, count, `seed ${seed}`);
    assert.equal(world.pods.size, count, `seed ${seed}`);
  }
});

Deno.test("nodes, taints and failures at random: what is left is one pod on each node that should have one", () => {
  for (let seed = 1; seed <= 80; seed++) {
    const random = prng(seed);
    const world = new DaemonWorld(daemonSet(), threeNodes());
    for (let i = 0; i < 150; i++) {
      const name = `n${random.int(8)}`;
      const effect = ["NoSchedule", "NoExecute"][random.int(2)] ?? "";
      switch (random.int(12)) {
        case 0:
          world.nodes.set(name, node(name));
          break;
        case 1:
          world.nodes.set(name, node(name, { taints: [{ key: "mine", effect }] }));
          break;
        case 2:
          // With the node goes what is on it.
          world.nodes.delete(name);
          for (const pod of [...world.pods.values()]) {
            if (pod.spec?.nodeName === name) world.pods.delete(pod.metadata?.name ?? "");
          }
          break;
        case 3: {
          const pod = [...world.pods.values()][random.int(Math.max(1, world.pods.size))];
          if (pod?.status?.phase === "Running" && isPodActive(pod)) world.set(pod, "Failed");
          break;
        }
        case 4:
          world.setImage(`v${random.int(3)}`);
      }
      world.step(random);
    }
    world.settle();
    const placement = placementOf(world.daemonSet);
    const desired = [...world.nodes.values()].filter((each) => verdictOn(each, placement) === "run");
    const on = world.countOn(isPodActive);
    for (const { metadata } of desired) assert.equal(on.get(metadata?.name ?? ""), 1, `seed ${seed} ${metadata?.name}`);
    assert.equal(world.daemonSet.status?.numberAvailable ?? 0, desired.length, `seed ${seed}`);
    assert.equal(world.pods.size, desired.length + (world.daemonSet.status?.numberMisscheduled ?? 0), `seed ${seed}`);
  }
});

Deno.test("reconcileDaemonSet() moves the pods of a duplicate revision and deletes it", () => {
  const world = new DaemonWorld(daemonSet(), threeNodes());
  world.settle();
  const [original] = world.revisions.values();
  assert.ok(original !== undefined);
  const labels = { ...original.metadata?.labels, "controller-revision-hash": "twin" };
  const metadata = { ...original.metadata, name: "log-twin", labels };
  world.revisions.set("log-twin", { ...original, metadata, revision: 2 });
  world.settle();
  assert.deepEqual([...world.revisions.keys()], ["log-twin"]);
  const hashes = [...world.pods.values()].map((pod) => pod.metadata?.labels?.["controller-revision-hash"]);
  assert.deepEqual(hashes, ["twin", "twin", "twin"]);
});

Deno.test("reconcileDaemonSet() makes and deletes a burst at most", () => {
  const nodes = Array.from({ length: 7 }, (_, i) => node(`n${i}`));
  const { actions } = reconcileDaemonSet({
    daemonSet: daemonSet(),
    nodes,
    pods: [],
    revisions: [],
    revisionNamed: () => undefined,
    failed: new Map(),
    burst: 4,
  }, 0);
  assert.deepEqual(actions.map((each) => each.kind === "createMany" ? each.objects.length : 0), [0, 0, 4]);
});
