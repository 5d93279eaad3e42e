import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import type { Node } from "../../api/gen/types.ts";
import { randomNode, randomPod } from "../testing.ts";
import { allocatableOf, type PodInfo, podInfo } from "./node_info.ts";
import { Snapshot } from "./snapshot.ts";

Deno.test("Snapshot's sums equal those recounted from scratch through 5,000 random changes", () => {
  const random = prng(3);
  const snapshot = new Snapshot();
  const nodes = new Map<string, Node>();
  const pods = new Map<string, { info: PodInfo; nodeName: string; assumed: boolean }>();
  for (let step = 0; step < 5000; step++) {
    const name = `n${random.int(12)}`;
    const uid = [...pods.keys()][random.int(pods.size + 1)];
    switch (random.int(7)) {
      case 0: {
        const next = randomNode(random, name);
        nodes.set(name, next);
        snapshot.setNode(next);
        break;
      }
      case 1:
        if (random.int(3) > 0) break;
        nodes.delete(name);
        snapshot.removeNode(name);
        break;
      case 2:
        if (uid === undefined) break;
        assert.equal(snapshot.forget(uid), pods.get(uid)?.assumed);
        if (pods.get(uid)?.assumed === true) pods.delete(uid);
        break;
      case 3:
        if (uid === undefined) break;
        assert.equal(snapshot.removePod(uid)?.uid, uid);
        pods.delete(uid);
        break;
      case 4: {
        const known = uid === undefined ? undefined : pods.get(uid);
        if (uid === undefined || known === undefined) break;
        // The API server tells, perhaps something else than was assumed.
        const nodeName = random.int(2) === 0 ? known.nodeName : name;
        pods.set(uid, { ...known, nodeName, assumed: false });
        snapshot.setPod(known.info, nodeName);
        break;
      }
      default: {
        const info = podInfo(randomPod(random, `p${step}`));
        const assumed = random.int(2) === 0;
        pods.set(info.uid, { info, nodeName: name, assumed });
        if (assumed) snapshot.assume(info, name);
        else snapshot.setPod(info, name);
      }
    }
    if (step % 50 === 0 || step > 4900) compare(snapshot, nodes, pods);
  }
});

function compare(
  snapshot: Snapshot,
  nodes: ReadonlyMap<string, Node>,
  pods: ReadonlyMap<string, { info: PodInfo; nodeName: string; assumed: boolean }>,
): void {
  assert.deepEqual(snapshot.nodes.map(({ name }) => name).sort(), [...nodes.keys()].sort());
  assert.equal(snapshot.podCount, pods.size);
  assert.equal(snapshot.assumedCount, [...pods.values()].filter(({ assumed }) => assumed).length);
  snapshot.nodes.forEach((info, index) => {
    const here = [...pods.values()].filter(({ nodeName }) => nodeName === info.name).map((each) => each.info);
    const sum = (of: (pod: PodInfo) => number) => here.reduce((total, pod) => total + of(pod), 0);
    assert.equal(info.index, index);
    assert.equal(snapshot.node(info.name), info);
    assert.deepEqual([...info.pods.keys()].sort(), here.map(({ uid }) => uid).sort());
    assert.equal(info.used.cpu, sum(({ request }) => request.cpu));
    assert.equal(info.used.memory, sum(({ request }) => request.memory));
    assert.equal(info.nonZero.memory, sum(({ request }) => request.nonZeroMemory));
    assert.equal(
      info.used.extended.get("example.com/gpu") ?? 0,
      sum(({ request }) => request.extended.find(([name]) => name === "example.com/gpu")?.[1] ?? 0),
    );
    assert.deepEqual(info.allocatable, allocatableOf(nodes.get(info.name) ?? {}));
  });
  const lowest = Math.min(...[...pods.values()].map(({ info }) => info.priority));
  assert.equal(snapshot.hasBelow(lowest + 1), pods.size > 0);
  assert.equal(snapshot.hasBelow(lowest), false);
}

Deno.test("Snapshot.staticVersion does not move for a heartbeat", () => {
  const random = prng(1);
  const snapshot = new Snapshot();
  const first = randomNode(random, "n");
  snapshot.setNode(first);
  const before = snapshot.staticVersion;
  snapshot.setNode({ ...first, status: { ...first.status, conditions: [{ type: "Ready", status: "True" }] } });
  assert.equal(snapshot.staticVersion, before);
  snapshot.setNode({ ...first, spec: { unschedulable: first.spec?.unschedulable !== true } });
  assert.ok(snapshot.staticVersion > before);
});
