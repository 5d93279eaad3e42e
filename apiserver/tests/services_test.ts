import assert from "node:assert/strict";
import { start } from "../testing.ts";

const services = "/api/v1/namespaces/default/services";

function service(name: string, spec: Record<string, unknown> = {}) {
  return { metadata: { name }, spec: { ports: [{ port: 80 }], selector: { app: name }, ...spec } };
}

Deno.test("a Service gets an address of the range, from the dynamic part, and its defaults", async () => {
  await using server = await start();
  const made = await server.post(services, service("s"));
  assert.equal(made.code, 201);
  const { spec } = made.body;
  assert.match(spec.clusterIP, /^10\.96\.0\.\d+$/);
  assert.ok(Number(spec.clusterIP.split(".")[3]) > 16, spec.clusterIP);
  assert.deepEqual(spec.clusterIPs, [spec.clusterIP]);
  assert.equal(spec.type, "ClusterIP");
  assert.equal(spec.sessionAffinity, "None");
  assert.deepEqual(spec.ipFamilies, ["IPv4"]);
  assert.deepEqual(spec.ports, [{ port: 80, protocol: "TCP", targetPort: 80 }]);
});

Deno.test("no address is given out twice, by three servers at once, until the range is full; a freed one is given again", async () => {
  const config = { serviceCidr: "10.96.0.0/28" };
  await using one = await start({ seed: 1, config });
  await using two = await start({ seed: 2, config, store: one.store, time: one.time });
  await using three = await start({ seed: 3, config, store: one.store, time: one.time });
  const servers = [one, two, three];
  const answers = await Promise.all(
    // 14 usable, one of them taken by default/kubernetes.
    Array.from({ length: 13 }, (_, i) => servers[i % 3]?.post(services, service(`s${i}`))),
  );
  assert.deepEqual(answers.map((it) => it?.code), Array(13).fill(201));
  const addresses = new Set(answers.map((it) => it?.body.spec.clusterIP));
  assert.equal(addresses.size, 13);
  assert.equal(addresses.has("10.96.0.1"), false);
  const full = await one.post(services, service("more"));
  assert.equal(full.code, 500);
  assert.match(full.body.message, /range is full/);
  await two.delete(`${services}/s4`);
  const freed = answers[4]?.body.spec.clusterIP;
  const again = await three.post(services, service("more"));
  assert.equal(again.body.spec.clusterIP, freed);
});

Deno.test("an address asked for is given if it is free and in the range, else 422 in upstream's words", async () => {
  await using server = await start();
  const made = await server.post(services, service("s", { clusterIP: "10.96.0.7" }));
  assert.equal(made.body.spec.clusterIP, "10.96.0.7");
  assert.deepEqual(made.body.spec.clusterIPs, ["10.96.0.7"]);
  const taken = await server.post(services, service("t", { clusterIP: "10.96.0.7" }));
  assert.equal(taken.code, 422);
  assert.equal(
    taken.body.message,
    'Service "t" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.7"]: failed to allocate IP 10.96.0.7: ' +
      "provided IP is already allocated",
  );
  const outside = await server.post(services, service("t", { clusterIP: "10.97.0.7" }));
  assert.equal(
    outside.body.message,
    'Service "t" is invalid: spec.clusterIPs: Invalid value: ["10.97.0.7"]: failed to allocate IP 10.97.0.7: ' +
      "the provided IP (10.97.0.7) is not in the valid range. The range of valid IPs is 10.96.0.0/24",
  );
  const headless = await server.post(services, service("h", { clusterIP: "None" }));
  assert.equal(headless.body.spec.clusterIP, "None");
  assert.deepEqual(headless.body.spec.clusterIPs, ["None"]);
});

Deno.test("clusterIP does not change: an update that leaves it out keeps it, another one is refused", async () => {
  await using server = await start();
  const made = await server.post(services, service("s"));
  const kept = await server.put(`${services}/s`, service("s", { ports: [{ port: 81 }] }));
  assert.equal(kept.code, 200);
  assert.equal(kept.body.spec.clusterIP, made.body.spec.clusterIP);
  assert.deepEqual(kept.body.spec.clusterIPs, [made.body.spec.clusterIP]);
  const other = await server.put(`${services}/s`, service("s", { clusterIP: "10.96.0.9" }));
  assert.equal(other.code, 422);
  assert.match(other.body.message, /spec\.clusterIPs?\S*: Invalid value: .*field is immutable|may not change/);
});

Deno.test("node ports are given, kept, and freed with the type", async () => {
  await using server = await start();
  const made = await server.post(services, service("s", { type: "NodePort" }));
  const port = made.body.spec.ports[0].nodePort;
  assert.ok(port >= 30000 && port <= 32767);
  const kept = await server.put(`${services}/s`, service("s", { type: "NodePort" }));
  assert.equal(kept.body.spec.ports[0].nodePort, port);
  const taken = await server.post(services, service("t", { type: "NodePort", ports: [{ port: 80, nodePort: port }] }));
  assert.equal(
    taken.body.message,
    `Service "t" is invalid: spec.ports[0].nodePort: Invalid value: ${port}: provided port is already allocated`,
  );
  const low = await server.post(services, service("t", { type: "NodePort", ports: [{ port: 80, nodePort: 80 }] }));
  assert.equal(
    low.body.message,
    'Service "t" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. ' +
      "The range of valid ports is 30000-32767",
  );
  const plain = await server.patch(`${services}/s`, { spec: { type: "ClusterIP" } });
  assert.equal(plain.body.spec.ports[0].nodePort, undefined);
  const free = await server.post(services, service("t", { type: "NodePort", ports: [{ port: 80, nodePort: port }] }));
  assert.equal(free.code, 201);
});

Deno.test("ExternalName gives the address back, ClusterIP takes a new one", async () => {
  await using server = await start();
  const made = await server.post(services, service("s"));
  const address = made.body.spec.clusterIP;
  const external = await server.patch(`${services}/s`, { spec: { type: "ExternalName", externalName: "example.com" } });
  assert.equal(external.code, 200);
  assert.equal(external.body.spec.clusterIP, undefined);
  assert.equal((await server.post(services, service("t", { clusterIP: address }))).code, 201);
  const back = await server.patch(`${services}/s`, { spec: { type: "ClusterIP", externalName: null } });
  assert.equal(back.code, 200);
  assert.match(back.body.spec.clusterIP, /^10\.96\.0\./);
  assert.notEqual(back.body.spec.clusterIP, address);
});

Deno.test("a refused or dry-run create takes no address", async () => {
  await using server = await start();
  await server.post(`${services}?dryRun=All`, service("s", { clusterIP: "10.96.0.50" }));
  await server.post(services, service("BAD", { clusterIP: "10.96.0.50" }));
  assert.equal((await server.post(services, service("ok", { clusterIP: "10.96.0.50" }))).code, 201);
});

Deno.test("default/kubernetes has the first address and an EndpointSlice of the apiservers that live", async () => {
  await using one = await start({ seed: 1 });
  await using two = await start({
    seed: 2,
    store: one.store,
    time: one.time,
    config: { name: "test-1", advertise: { address: "127.0.0.10", port: 6443 } },
  });
  const kubernetes = await one.get(`${services}/kubernetes`);
  assert.equal(kubernetes.body.spec.clusterIP, "10.96.0.1");
  assert.equal(kubernetes.body.spec.ports[0].targetPort, 6443);
  const slice = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
  const addresses = async () =>
    (await one.get(slice)).body.endpoints.map((it: { addresses: string[] }) => it.addresses[0]);
  assert.deepEqual(await addresses(), ["127.0.0.10", "127.0.0.9"]);
  await two.server.stop();
  await one.time.advance(10_000);
  assert.deepEqual(await addresses(), ["127.0.0.9"]);
  assert.equal((await one.get(slice)).body.metadata.labels["kubernetes.io/service-name"], "kubernetes");
});

Deno.test("the cluster's namespaces are there, and starting again makes nothing new", async () => {
  await using one = await start();
  const before = await one.get("/api/v1/namespaces");
  assert.deepEqual(
    before.body.items.map((it: { metadata: { name: string } }) => it.metadata.name),
    ["default", "kube-node-lease", "kube-public", "kube-system"],
  );
  await using two = await start({ store: one.store, time: one.time });
  const after = await two.get("/api/v1/namespaces");
  assert.deepEqual(after.body.items, before.body.items);
});
