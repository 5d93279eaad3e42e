import assert from "node:assert/strict";
import {
  apiServerHost,
  componentsOf,
  etcdHost,
  etcdServerIdentity,
  metricsUrl,
  nodeAddress,
  planOf,
  podCidr,
  storeClientAddresses,
  whoListens,
} from "./plan.ts";
import { type ClusterSpec, parseSpec } from "./spec.ts";

function spec(more: Partial<ClusterSpec> = {}): ClusterSpec {
  return {
    version: 1,
    name: "demo",
    clusterId: "00000000-0000-4000-8000-000000000000",
    controlPlanes: 3,
    workers: 3,
    runtime: "process",
    hollowNodes: 0,
    timers: "fast",
    slice: 64,
    port: 6443,
    ...more,
  };
}

Deno.test("planOf() lists three of each control-plane part, a balancer, an etcd gateway for each store, and a kubelet and a proxy for each worker", () => {
  const names = planOf(spec()).map((plan) => plan.name);
  assert.equal(names.length, 5 * 3 + 1 + 2 * 3);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(names.slice(0, 3), ["store-0", "store-1", "store-2"]);
  assert.ok(names.includes("kubelet-worker-3") && names.includes("proxy-worker-3"));
});

Deno.test("planOf() has a store process and an etcd gateway for each member that there is now, and as many of all others as ever", () => {
  const grown = spec({ storeMembers: { numbers: [4, 0, 2], next: 5 } });
  const named = (kind: string) => planOf(grown).filter((plan) => plan.kind === kind).map((plan) => plan.name);
  assert.deepEqual(named("store"), ["store-0", "store-2", "store-4"]);
  assert.deepEqual(named("etcd"), ["etcd-0", "etcd-2", "etcd-4"]);
  assert.deepEqual(named("apiserver"), ["apiserver-0", "apiserver-1", "apiserver-2"]);
  assert.equal(whoListens(spec())("unix:run/store-4.peer.sock"), "store-4");
  // Whose own member has gone asks the next one first.
  const sockets = [2, 4, 0].map((number) => `unix:run/store-${number}.sock`);
  assert.deepEqual(storeClientAddresses(grown, 1), sockets);
  assert.deepEqual([0, 2, 4].map((number) => etcdServerIdentity(grown, number)), [
    "etcd-server",
    "etcd-server",
    "etcd-server-4",
  ]);
});

Deno.test("planOf() has one process for everything in an all-in-one cluster, whose components are the same", () => {
  const one = spec({ allInOne: true, controlPlanes: 1 });
  assert.deepEqual(planOf(one).map(({ name, address }) => [name, address]), [["all-in-one", "https://127.0.0.1:6443"]]);
  assert.deepEqual(componentsOf(one), planOf(spec({ controlPlanes: 1 })));
});

Deno.test("planOf() adds one process for all hollow nodes", () => {
  const hollow = planOf(spec({ workers: 0, hollowNodes: 500 })).filter((plan) => plan.kind === "hollow-nodes");
  assert.equal(hollow.length, 1);
});

Deno.test("addresses of apiservers, nodes, pods and services of one cluster never overlap, at any size", () => {
  const large = spec({ controlPlanes: 7, workers: 224 });
  const blocks = new Set<string>();
  for (let i = 0; i < 7; i++) blocks.add(apiServerHost(large, i)).add(etcdHost(large, i));
  for (let i = 0; i < 224; i++) {
    blocks.add(nodeAddress(large, i));
    blocks.add(podCidr(large, i));
    const third = Number(podCidr(large, i).split(".")[2]);
    assert.ok(third >= 16 && third < 240, `pod block ${third} leaves the range of services (240 and up) alone`);
  }
  assert.equal(blocks.size, 2 * 7 + 224 + 224);
});

Deno.test("parseSpec() refuses what is not a cluster, naming the file", () => {
  assert.deepEqual(parseSpec(JSON.stringify(spec()), "x"), spec());
  assert.throws(() => parseSpec("{", "/d/cluster.json"), /Cannot read \/d\/cluster.json: it is not JSON/);
  assert.throws(() => parseSpec(JSON.stringify({ ...spec(), slice: "64" }), "/d/cluster.json"), /not a cluster/);
  const storeMembers = { numbers: [0, 3], next: 3 }; // 3 is in use and counts as free
  assert.throws(() => parseSpec(JSON.stringify({ ...spec(), storeMembers }), "/d/cluster.json"), /not a cluster/);
});

Deno.test("metricsUrl() gives every component an address of its own, at upstream's ports", () => {
  const large = spec({ controlPlanes: 3, workers: 2, hollowNodes: 5 });
  const urls = new Map(componentsOf(large).map((plan) => [plan.name, metricsUrl(large, plan)]));
  assert.equal(new Set(urls.values()).size, urls.size);
  assert.ok(!urls.has("") && ![...urls.values()].includes(null));
  for (
    const [name, url] of [
      ["apiserver-1", "https://127.64.0.11:6443/metrics"],
      ["scheduler-2", "https://127.64.0.12:10259/metrics"],
      ["controller-manager-0", "https://127.64.0.10:10257/metrics"],
      ["kubelet-worker-2", "https://127.64.1.2:10250/metrics"],
      ["proxy-worker-2", "http://127.64.1.2:10249/metrics"],
      ["store-0", "http://127.64.0.30:2381/metrics"],
    ] as const
  ) assert.equal(urls.get(name), url);
});
