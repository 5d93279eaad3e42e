import assert from "node:assert/strict";
import { TestHome } from "./harness.ts";

/** A StatefulSet as its users see it, with real kubectl: order, scale, partition, history, names that stay, deletion. */

interface Wanted {
  readonly image: string;
  readonly partition?: number;
  readonly more?: string;
}

const manifest = ({ image, partition = 0, more = "" }: Wanted) => `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { clusterIP: None, selector: { app: web }, ports: [{ port: 80 }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: web
  annotations: { kubernetes.io/change-cause: "image ${image}" }
spec:
  serviceName: web
  replicas: 3
  selector: { matchLabels: { app: web } }
  updateStrategy: { rollingUpdate: { partition: ${partition} } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: c, image: "${image}" }]
${more}`;

const withClaims = `
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: disk }
spec:
  replicas: 1
  selector: { matchLabels: { app: disk } }
  persistentVolumeClaimRetentionPolicy: { whenDeleted: Delete, whenScaled: Retain }
  template:
    metadata: { labels: { app: disk } }
    spec:
      containers: [{ name: c, image: "registry.test/disk:1", volumeMounts: [{ name: data, mountPath: /data }] }]
  volumeClaimTemplates:
  - metadata: { name: data }
    spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
`;

const budget = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: web }
spec: { maxUnavailable: 34%, selector: { matchLabels: { app: web } } }
`;

Deno.test("a StatefulSet with real kubectl: order, scale, partition, undo, names that stay, claims, orphans", async () => {
  await using test = await TestHome.make();
  const up = await test.cluster([
    ..."up --control-planes 1 --workers 0 --hollow-nodes 3 --runtime hollow".split(" "),
  ], { timeoutMs: 120_000 });
  assert.equal(up.code, 0, up.stderr);
  const rolledOut = () => test.ok("rollout", "status", "sts/web", "--timeout=60s");
  const show = (path: string) => test.podFields("app=web", path);
  const names = () => show(".metadata.name");
  const images = async () => (await show(".spec.containers[0].image")).map((each) => each.slice(-1)).join("");
  const image = (tag: number) => `registry.test/web:${tag}`;

  await test.apply(manifest({ image: image(1) }));
  assert.match(await rolledOut(), /partitioned roll out complete|rolling update complete 3 pods/);
  assert.deepEqual(await names(), ["web-0", "web-1", "web-2"]);
  const created = await show(".metadata.creationTimestamp");
  const readyAt = await show('.status.conditions[?(@.type=="Ready")].lastTransitionTime');
  assert.ok((readyAt[0] ?? "") <= (created[1] ?? "") && (readyAt[1] ?? "") <= (created[2] ?? ""), "one after another");
  assert.match(await test.ok("get", "sts", "web"), /web +3\/3/);
  assert.match(
    await test.ok("get", "pod", "web-1", "-o", "jsonpath={.spec.hostname}.{.spec.subdomain}"),
    /^web-1\.web$/,
  );
  await test.until("the Service has their host names", async () => {
    const hosts = await test.ok("get", "endpointslices", "-o", "jsonpath={.items[*].endpoints[*].hostname}");
    return hosts.split(" ").sort().join() === "web-0,web-1,web-2";
  });

  await test.ok("scale", "sts/web", "--replicas=5");
  await rolledOut();
  assert.deepEqual(await names(), ["web-0", "web-1", "web-2", "web-3", "web-4"]);
  await test.ok("scale", "sts/web", "--replicas=2");
  await test.until("it has shrunk from the top", async () => (await names()).join() === "web-0,web-1");
  await test.apply(manifest({ image: image(1) }));
  await rolledOut();

  await test.apply(budget);
  await test.until("a budget knows the set's size", async () => {
    const path = "jsonpath={.status.expectedPods} {.status.disruptionsAllowed}";
    return await test.ok("get", "pdb", "web", "-o", path) === "3 2";
  });
  await test.ok("delete", "pdb", "web");

  await test.apply(manifest({ image: image(2), partition: 2 }));
  assert.match(await rolledOut(), /partitioned roll out complete: 1 new pods have been updated/);
  assert.equal(await images(), "112");
  await test.apply(manifest({ image: image(2) }));
  await rolledOut();
  assert.equal(await images(), "222");
  const history = await test.ok("rollout", "history", "sts/web");
  assert.match(history, /^1 +image registry.test\/web:1$/m);
  assert.match(history, /^2 +image registry.test\/web:2$/m);
  assert.match(await test.ok("rollout", "undo", "sts/web"), /statefulset.apps\/web rolled back/);
  await rolledOut();
  assert.equal(await images(), "111");
  assert.match(await test.ok("rollout", "undo", "sts/web", "--to-revision=2"), /rolled back/);
  await rolledOut();
  assert.equal(await images(), "222");
  assert.match(await test.ok("rollout", "restart", "sts/web"), /restarted/);
  await rolledOut();

  const uidOf = (name: string) => test.ok("get", "pod", name, "-o", "jsonpath={.metadata.uid}");
  const before = await uidOf("web-0");
  await test.ok("delete", "pod", "web-0");
  await test.until("web-0 is back with its name", async () => {
    const { code, stdout } = await test.kubectl(["get", "pod", "web-0", "-o", "jsonpath={.metadata.uid}"]);
    return code === 0 && stdout !== before;
  });
  await rolledOut();
  const described = await test.ok("describe", "sts", "web");
  assert.match(described, /Pods Status: +3 Running \/ 0 Waiting \/ 0 Succeeded \/ 0 Failed/);
  assert.match(
    described,
    /Normal +SuccessfulCreate .* statefulset-controller +create Pod web-0 in StatefulSet web successful/,
  );
  assert.match(
    described,
    /Normal +SuccessfulDelete .* statefulset-controller +delete Pod web-\d in StatefulSet web successful/,
  );

  // Orphans are adopted by the next of the same name and selector, with their history.
  const uids = await show(".metadata.uid");
  await test.ok("delete", "sts", "web", "--cascade=orphan");
  assert.deepEqual(await show(".metadata.uid"), uids);
  assert.deepEqual(await show(".metadata.ownerReferences"), []);

  await test.apply(withClaims);
  await test.until("a claim and its pod", async () =>
    (await test.ok("get", "pvc,pods", "-l", "app=disk", "-o", "name")).trim().split("\n").join() ===
      "persistentvolumeclaim/data-disk-0,pod/disk-0");
  assert.equal(
    await test.ok("get", "pod", "disk-0", "-o", "jsonpath={.spec.volumes[?(@.name=='data')]}"),
    `{"name":"data","persistentVolumeClaim":{"claimName":"data-disk-0"}}`,
  );
  await test.ok("delete", "sts", "disk");
  await test.until("its claim goes with it", async () =>
    (await test.ok("get", "pvc,pods", "-l", "app=disk", "-o", "name")).trim() === "");
});
