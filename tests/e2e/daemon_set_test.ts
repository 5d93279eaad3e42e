import assert from "node:assert/strict";
import { TestHome } from "./harness.ts";

/** A DaemonSet as its users see it, with real kubectl: nodes that come and go, rollouts, history, drain, deletion. */

const manifest = (image: string, more = "") => `
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: log
  annotations: { kubernetes.io/change-cause: "image ${image}" }
spec:
  selector: { matchLabels: { app: log } }
  template:
    metadata: { labels: { app: log } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: c, image: "${image}" }]
${more}`;

/** Goes even where nothing is ready, as what makes a node ready must. */
const network = `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: net }
spec:
  selector: { matchLabels: { app: net } }
  template:
    metadata: { labels: { app: net } }
    spec:
      tolerations: [{ operator: Exists }]
      containers: [{ name: c, image: registry.test/net:1 }]
---
apiVersion: v1
kind: Node
metadata: { name: late }
status: { capacity: { pods: "10", cpu: "1", memory: 1Gi } }
`;

Deno.test("a DaemonSet with real kubectl: a pod a node, nodes that come and go, rollout, history, undo, drain, delete", async () => {
  await using test = await TestHome.make();
  const up = await test.cluster([
    ..."up --control-planes 1 --workers 0 --hollow-nodes 3 --runtime hollow".split(" "),
  ], { timeoutMs: 120_000 });
  assert.equal(up.code, 0, up.stderr);
  const rolledOut = () => test.ok("rollout", "status", "ds/log", "--timeout=60s");
  const podsBy = (path: string) => test.podFields("app=log", path);
  const images = () => podsBy(".spec.containers[0].image");

  await test.apply(manifest("registry.test/log:1"));
  assert.match(await rolledOut(), /daemon set "log" successfully rolled out/);
  const nodes = (await test.ok("get", "nodes", "-o", "name")).trim().split("\n").map((each) => each.slice(5)).sort();
  assert.equal(nodes.length, 3);
  assert.deepEqual(await podsBy(".spec.nodeName"), nodes);
  assert.match(await test.ok("get", "ds", "log"), /log +3 +3 +3 +3 +3 +<none>/);

  const [first = "", second = ""] = nodes;
  await test.apply(network);
  const netNodes = () => test.ok("get", "pods", "-l", "app=net", "-o", "jsonpath={.items[*].spec.nodeName}");
  await test.until("a new node has a pod of it", async () =>
    (await netNodes()).split(" ").sort().join() === [...nodes, "late"].sort().join());
  assert.deepEqual(await podsBy(".spec.nodeName"), nodes, "the other waits until the node is ready");
  await test.ok("delete", "node", "late");
  await test.until("the pod goes with its node", async () =>
    (await netNodes()).split(" ").sort().join() === nodes.join());
  await test.ok("delete", "ds", "net");

  await test.ok("taint", "node", second, "mine=1:NoExecute");
  await test.until("a taint drives its pod out", async () => (await podsBy(".spec.nodeName")).length === 2);
  await test.ok("taint", "node", second, "mine-");
  await test.until("and it returns", async () => (await podsBy(".spec.nodeName")).length === 3);
  await rolledOut();

  await test.apply(manifest("registry.test/log:2"));
  await rolledOut();
  assert.deepEqual(await images(), Array(3).fill("registry.test/log:2"));
  const history = await test.ok("rollout", "history", "ds/log");
  assert.match(history, /^1 +image registry.test\/log:1$/m);
  assert.match(history, /^2 +image registry.test\/log:2$/m);
  assert.match(await test.ok("rollout", "history", "ds/log", "--revision=1"), /Image:\s+registry.test\/log:1/);
  assert.match(await test.ok("rollout", "undo", "ds/log"), /daemonset.apps\/log rolled back/);
  await rolledOut();
  assert.deepEqual(await images(), Array(3).fill("registry.test/log:1"));
  assert.match(await test.ok("rollout", "history", "ds/log"), /^2 .*\n3 +image registry.test\/log:1$/m);
  assert.match(await test.ok("rollout", "undo", "ds/log", "--to-revision=2"), /rolled back/);
  await rolledOut();
  assert.match(await test.ok("rollout", "restart", "ds/log"), /daemonset.apps\/log restarted/);
  await rolledOut();
  assert.equal(new Set(await podsBy(".metadata.labels.controller-revision-hash")).size, 1);
  assert.deepEqual(await podsBy(".metadata.labels.pod-template-generation"), ["5", "5", "5"]);

  const surging = `  updateStrategy: { rollingUpdate: { maxSurge: 100%, maxUnavailable: 0 } }`;
  await test.apply(manifest("registry.test/log:3", surging));
  await rolledOut();
  assert.deepEqual(await images(), Array(3).fill("registry.test/log:3"));

  const drained = await test.kubectl(["drain", first, "--ignore-daemonsets"]);
  assert.equal(drained.code, 0, drained.stderr);
  assert.match(drained.stderr, /ignoring DaemonSet-managed Pods: default\/log-/);
  await test.ok("uncordon", first);
  const described = await test.ok("describe", "ds", "log");
  assert.match(described, /Desired Number of Nodes Scheduled: 3/);
  assert.match(described, /Pods Status: +3 Running \/ 0 Waiting \/ 0 Succeeded \/ 0 Failed/);
  assert.match(described, /Normal +SuccessfulCreate .* daemonset-controller +Created pod: log-/);
  assert.match(described, /Normal +SuccessfulDelete .* daemonset-controller +Deleted pod: log-/);

  // Orphans are adopted by the next of the same name and selector, with their history.
  const before = await podsBy(".metadata.uid");
  await test.ok("delete", "ds", "log", "--cascade=orphan");
  assert.deepEqual(await podsBy(".metadata.uid"), before);
  await test.apply(manifest("registry.test/log:3", surging));
  await rolledOut();
  await test.ok("delete", "ds", "log");
  await test.until("its pods and revisions go with it", async () => {
    const left = await test.ok("get", "pods,controllerrevisions", "-o", "name");
    return left.trim() === "";
  });
});
