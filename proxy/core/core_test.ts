import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import type { EndpointConditions, EndpointSlice, Service, ServiceSpec } from "../../api/gen/types.ts";
import { choose, createAffinityMap, endpointKey } from "./choose.ts";
import { bindingsOf } from "./listeners.ts";
import { buildTable, type Route } from "./table.ts";

function service(name: string, spec: Partial<ServiceSpec> = {}): Service {
  return {
    metadata: { name, namespace: "ns" },
    spec: {
      type: "ClusterIP",
      clusterIP: "127.9.240.5",
      ports: [{ name: "http", port: 80, protocol: "TCP" }],
      ...spec,
    },
  };
}

type Backend = readonly [ip: string, conditions?: EndpointConditions, node?: string];

function slice(of: string, backends: readonly Backend[], over: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    metadata: { name: `${of}-1`, namespace: "ns", labels: { "kubernetes.io/service-name": of } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: backends.map(([ip, conditions = { ready: true }, node]) => ({
      addresses: [ip],
      conditions,
      ...(node === undefined ? {} : { nodeName: node }),
    })),
    ...over,
  };
}

function onlyRoute(services: Service[], slices: EndpointSlice[], node = "n1"): Route {
  const [route] = buildTable(services, slices, node).values();
  assert.ok(route !== undefined);
  return route;
}

const dying: EndpointConditions = { ready: false, serving: true, terminating: true };
const dead: EndpointConditions = { ready: false, serving: false, terminating: true };

Deno.test("buildTable() joins a service's slices, sorted, each endpoint once", () => {
  const route = onlyRoute([service("web")], [
    slice("web", [["127.9.2.2"], ["127.9.1.1"]]),
    slice("web", [["127.9.1.1", { ready: false }], ["127.9.1.3", { ready: false }]]),
    slice("other", [["127.9.9.9"]]),
    slice("web", [["::1"]], { addressType: "IPv6" }),
  ]);
  assert.deepEqual(route.endpoints.map(endpointKey), ["127.9.1.1:8080", "127.9.2.2:8080"]);
});

Deno.test("buildTable() falls back on endpoints that serve while they terminate only when none is ready", () => {
  const some = onlyRoute([service("web")], [slice("web", [["127.9.1.1", dying], ["127.9.1.2"]])]);
  assert.deepEqual(some.endpoints.map((each) => each.ip), ["127.9.1.2"]);
  const none = onlyRoute([service("web")], [slice("web", [["127.9.1.1", dying], ["127.9.1.2", dead]])]);
  assert.deepEqual(none.endpoints.map((each) => each.ip), ["127.9.1.1"]);
  const unready = onlyRoute([service("web", { publishNotReadyAddresses: true })], [
    slice("web", [["127.9.1.1", dead]]),
  ]);
  assert.deepEqual(unready.endpoints.map((each) => each.ip), ["127.9.1.1"]);
});

Deno.test("buildTable() leaves out headless and external services, and picks local endpoints by policy", () => {
  const table = buildTable(
    [
      service("headless", { clusterIP: "None" }),
      service("external", { type: "ExternalName", clusterIP: "" }),
    ],
    [],
    "n1",
  );
  assert.equal(table.size, 0);
  const policies = { internalTrafficPolicy: "Local", externalTrafficPolicy: "Cluster" };
  const route = onlyRoute([service("web", policies)], [
    slice("web", [["127.9.1.1", {}, "n1"], ["127.9.1.2", {}, "n2"]]),
  ]);
  assert.deepEqual(route.internalLocal?.map((each) => each.ip), ["127.9.1.1"]);
  assert.equal(route.externalLocal, null);
  assert.equal(route.endpoints.length, 2);
});

Deno.test("bindingsOf() lists one protocol's addresses and node ports", () => {
  const ports = [{ name: "http", port: 80, nodePort: 30_080 }, { name: "dns", port: 53, protocol: "UDP" }];
  const table = buildTable([service("web", { type: "NodePort", ports })], [], "n1");
  assert.deepEqual([...bindingsOf(table, "127.9.1.1", "TCP").keys()], ["127.9.240.5:80", "127.9.1.1:30080"]);
  assert.deepEqual([...bindingsOf(table, null, "TCP").keys()], ["127.9.240.5:80"]);
  assert.deepEqual([...bindingsOf(table, "127.9.1.1", "UDP").keys()], ["127.9.240.5:53"]);
});

Deno.test("choose() spreads over all endpoints, and never gives one that was tried", () => {
  const route = onlyRoute([service("web")], [slice("web", [["127.9.1.1"], ["127.9.1.2"], ["127.9.1.3"]])]);
  const random = prng(1);
  const counts = new Map<string, number>();
  for (let i = 0; i < 3000; i++) {
    const { endpoints } = route;
    const chosen = choose(
      { route, endpoints, clientIP: "c", tried: new Set() },
      createAffinityMap(1),
      random.next(),
      0,
    );
    counts.set(chosen?.ip ?? "", (counts.get(chosen?.ip ?? "") ?? 0) + 1);
  }
  assert.equal(counts.size, 3);
  for (const count of counts.values()) assert.ok(count > 900 && count < 1100, `${count} of 3000`);
  const tried = new Set(["127.9.1.1:8080", "127.9.1.3:8080"]);
  const last = { route, endpoints: route.endpoints, clientIP: "c", tried };
  assert.equal(choose(last, createAffinityMap(1), 0.99, 0)?.ip, "127.9.1.2");
  tried.add("127.9.1.2:8080");
  assert.equal(choose(last, createAffinityMap(1), 0, 0), null);
});

Deno.test("choose() keeps a client with its endpoint until the timeout or the endpoint's end", () => {
  const affine = service("web", {
    sessionAffinity: "ClientIP",
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
  });
  const backends: Backend[] = [["127.9.1.1"], ["127.9.1.2"], ["127.9.1.3"]];
  const route = onlyRoute([affine], [slice("web", backends)]);
  const affinity = createAffinityMap(2);
  const pick = (clientIP: string, random: number, now: number, of = route, tried: string[] = []) =>
    choose({ route: of, endpoints: of.endpoints, clientIP, tried: new Set(tried) }, affinity, random, now)?.ip;
  assert.equal(pick("a", 0, 0), "127.9.1.1");
  assert.equal(pick("a", 0.99, 9_999), "127.9.1.1");
  assert.equal(pick("a", 0.99, 19_998), "127.9.1.1", "each connection renews it");
  assert.equal(pick("a", 0.99, 29_998), "127.9.1.3", "it has run out");
  assert.equal(pick("a", 0, 30_000, route, ["127.9.1.3:8080"]), "127.9.1.1", "its endpoint does not answer");
  const fewer = onlyRoute([affine], [slice("web", backends.slice(1))]);
  assert.equal(pick("a", 0, 30_001, fewer), "127.9.1.2", "its endpoint has gone");
  pick("b", 0, 30_002);
  pick("c", 0, 30_003);
  assert.equal(affinity.entries.size, 2, "bounded");
});
