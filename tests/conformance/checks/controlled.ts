/** Services, disruption budgets and the pods behind them, as their controllers keep them. */
import assert from "node:assert/strict";
import type { Api, Loose } from "../api.ts";
import { type Check, count, create, eventually, gone, items, pod } from "../helpers.ts";
import { good, infoOf, merge, pathIn } from "../lifecycle.ts";

const services = infoOf("services");
const endpoints = infoOf("endpoints");
const pods = infoOf("pods");
const budgets = infoOf("poddisruptionbudgets");

const matchesNoPods = {
  metadata: { name: "example-empty-selector" },
  spec: {
    selector: { "does-not-match-anything": "endpoints-should-still-exist" },
    ports: [{ name: "example", port: 80 }],
  },
};

const ofService = (name: string) => `?labelSelector=kubernetes.io/service-name=${name}`;

/** The one address of the Service's one slice. */
async function mirrored(api: Api, namespace: string, name: string, address: string): Promise<void> {
  await eventually(`a slice with ${address}`, async () => {
    const slices = await items(api, namespace, "endpointslices", ofService(name));
    const [slice] = slices;
    return slices.length === 1 && slice.ports?.length === 1 && slice.ports[0].port === 80 &&
      slice.endpoints?.length === 1 && slice.endpoints[0].addresses.join() === address;
  });
}

async function ready(api: Api, namespace: string, name: string): Promise<void> {
  const conditions = [{ type: "Ready", status: "True" }];
  const status = { phase: "Running", conditions };
  good(await api.call("PATCH", `${pathIn(pods, namespace, name)}/status`, { status }, merge), 200, "ready");
}

/** A budget over two ready pods, counted. */
async function countedBudget(api: Api, namespace: string): Promise<Loose> {
  const labels = { foo: "bar" };
  await create(api, namespace, budgets, {
    metadata: { name: "foo", labels },
    spec: { minAvailable: 1, selector: { matchLabels: labels } },
  });
  for (const name of ["a", "b"]) {
    const object = pod(name);
    object.metadata.labels = labels;
    await create(api, namespace, pods, object);
    await ready(api, namespace, name);
  }
  return await eventually("the budget is counted", async () => {
    const { body } = await api.call("GET", pathIn(budgets, namespace, "foo"));
    const { status } = body;
    return status?.disruptionsAllowed === 1 && status.currentHealthy === 2 ? body : undefined;
  });
}

export const controlledChecks: Readonly<Record<string, Check>> = {
  async "slices of a service without pods"(api, namespace) {
    const { name } = matchesNoPods.metadata;
    await create(api, namespace, services, matchesNoPods);
    await count(api, namespace, "endpoints", 1);
    const [slice] = await eventually("a slice", async () => {
      const found = await items(api, namespace, "endpointslices", ofService(name));
      return found.length === 1 ? found : undefined;
    });
    assert.equal(slice.metadata.labels["endpointslice.kubernetes.io/managed-by"], "endpointslice-controller.k8s.io");
    assert.deepEqual(slice.endpoints ?? [], []);
    good(await api.call("DELETE", pathIn(services, namespace, name)), 200, "delete");
    await gone(api, pathIn(endpoints, namespace, name));
    await eventually(
      "the slice goes",
      async () => (await items(api, namespace, "endpointslices", ofService(name))).length === 0,
    );
  },
  async "endpoints of a service without pods"(api, namespace) {
    const { name } = matchesNoPods.metadata;
    await create(api, namespace, services, matchesNoPods);
    const object = await eventually("the Endpoints", async () => {
      const { code, body } = await api.call("GET", pathIn(endpoints, namespace, name));
      return code === 200 ? body : undefined;
    });
    assert.deepEqual(object.subsets ?? [], []);
    good(await api.call("DELETE", pathIn(services, namespace, name)), 200, "delete");
    await gone(api, pathIn(endpoints, namespace, name));
  },
  async "mirrored endpoints"(api, namespace) {
    const name = "example-custom-endpoints";
    await create(api, namespace, services, {
      metadata: { name },
      spec: { ports: [{ name: "example", port: 80, protocol: "TCP" }] },
    });
    const object = (ip: string) => ({
      metadata: { name },
      subsets: [{ ports: [{ port: 80 }], addresses: [{ ip }] }],
    });
    await create(api, namespace, endpoints, object("10.1.2.3"));
    await mirrored(api, namespace, name, "10.1.2.3");
    good(await api.call("PUT", pathIn(endpoints, namespace, name), object("10.2.3.4")), 200, "update");
    await mirrored(api, namespace, name, "10.2.3.4");
    good(await api.call("DELETE", pathIn(endpoints, namespace, name)), 200, "delete");
    await eventually(
      "the slice goes",
      async () => (await items(api, namespace, "endpointslices", ofService(name))).length === 0,
    );
  },
  async "budget status observed"(api, namespace) {
    const { status, metadata } = await countedBudget(api, namespace);
    assert.equal(status.observedGeneration, metadata.generation);
    assert.equal(status.expectedPods, 2);
    assert.equal(status.desiredHealthy, 1);
    const [condition] = status.conditions;
    assert.deepEqual([condition.type, condition.status], ["DisruptionAllowed", "True"]);
  },
  async "budget status written"(api, namespace) {
    const path = `${pathIn(budgets, namespace, "foo")}/status`;
    const disruptedPods = async () => good(await api.call("GET", path), 200, "status").status.disruptedPods ?? {};
    const before = await countedBudget(api, namespace);
    const now = before.metadata.creationTimestamp;
    const updated = structuredClone(before);
    updated.status.disruptedPods = { a: now };
    assert.deepEqual(Object.keys(good(await api.call("PUT", path, updated), 200, "update").status.disruptedPods), [
      "a",
    ]);
    // The pod that is not there is dropped by the controller; until then it shows.
    const patch = { status: { disruptedPods: { b: now } } };
    const patched = good(await api.call("PATCH", path, patch, merge), 200, "patch").status.disruptedPods;
    assert.ok(Object.keys(patched).includes("b"));
    await eventually("the controller has counted again", async () => Object.keys(await disruptedPods()).length <= 2);
  },
  async "pod generation counts changes"(api, namespace) {
    const image = "registry.k8s.io/pause:3.10";
    const resources = { requests: { cpu: "100m" }, limits: { cpu: "100m" } };
    const made = await create(
      api,
      namespace,
      pods,
      pod("p", {
        initContainers: [{ name: "init", image }],
        containers: [{ name: "c", image, resources }],
      }),
    );
    assert.equal(made.metadata.generation, 1);
    const path = pathIn(pods, namespace, "p");
    let expected = 1;
    const change = async (what: string, bumps: boolean, edit: (pod: Loose) => void, subresource = "") => {
      const body = good(await api.call("GET", path), 200, "get");
      edit(body);
      const reply = await api.call("PUT", `${path}${subresource}`, body);
      if (bumps) expected++;
      assert.equal(good(reply, 200, what).metadata.generation, expected, what);
    };
    await change("an empty update", false, () => {});
    await change("a toleration", true, ({ spec }) => (spec.tolerations ??= []).push({ key: "k", operator: "Exists" }));
    await change("the active deadline", true, ({ spec }) => spec.activeDeadlineSeconds = 1_000_000);
    await change("a container's image", true, ({ spec }) => spec.containers[0].image = "registry.k8s.io/pause:3.9");
    await change("an init container's image", true, ({ spec }) => spec.initContainers[0].image = `${image}.2`);
    await change("metadata", false, ({ metadata }) => metadata.labels = { changed: "true" });
    await change("a resize", true, ({ spec }) => {
      spec.containers[0].resources = { requests: { cpu: "200m" }, limits: { cpu: "200m" } };
    }, "/resize");
    await change("an ephemeral container", true, ({ spec }) => {
      spec.ephemeralContainers = [{
        name: "debugger",
        image,
        terminationMessagePolicy: "File",
        imagePullPolicy: "Always",
      }];
    }, "/ephemeralcontainers");
    await change("status", false, ({ status }) => status.message = "m", "/status");
  },
};

/** events.k8s.io/v1, which is another view of the core group's Events. */
const eventsRoot = (namespace: string) => `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;

function newEvent(namespace: string, name: string, label: string): Loose {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name, labels: { "testevent-set": label } },
    eventTime: "2026-01-01T00:00:00.000000Z",
    note: "This is event",
    action: "Do",
    reason: "Test",
    type: "Normal",
    reportingController: "test-controller",
    reportingInstance: "test-node",
    regarding: { namespace },
  };
}

export const eventChecks: Readonly<Record<string, Check>> = {
  async "new events"(api, namespace) {
    const path = `${eventsRoot(namespace)}/event-test`;
    good(await api.call("POST", eventsRoot(namespace), newEvent(namespace, "event-test", "true")), 201, "create");
    for (const place of [eventsRoot(namespace), "/apis/events.k8s.io/v1/events"]) {
      const list = good(await api.call("GET", `${place}?labelSelector=testevent-set=true`), 200, "list");
      assert.equal(list.kind, "EventList");
      const own = list.items.filter((it: Loose) => it.metadata.namespace === namespace);
      assert.deepEqual(own.map((it: Loose) => it.metadata.name), ["event-test"]);
    }
    const bySource = await api.call(
      "GET",
      `${eventsRoot(namespace)}?fieldSelector=reportingController=test-controller`,
    );
    assert.equal(good(bySource, 200, "list by reportingController").items.length, 1);
    const series = { count: 2, lastObservedTime: "2026-01-01T00:00:00.000000Z" };
    const patched = good(await api.call("PATCH", path, { series }, merge), 200, "patch");
    assert.deepEqual(patched.series, series);
    const updated = structuredClone(patched);
    updated.series.count = 100;
    updated.series.lastObservedTime = "2026-01-01T00:00:01.000000Z";
    assert.deepEqual(good(await api.call("PUT", path, updated), 200, "update").series.count, 100);
    const read = good(await api.call("GET", path), 200, "get");
    assert.deepEqual([read.apiVersion, read.note, read.regarding], ["events.k8s.io/v1", "This is event", {
      namespace,
    }]);
    // The same object, as the core group has it.
    const old = good(await api.call("GET", `/api/v1/namespaces/${namespace}/events/event-test`), 200, "old");
    assert.deepEqual([old.apiVersion, old.message, old.involvedObject], ["v1", "This is event", { namespace }]);
    assert.equal(old.metadata.uid, read.metadata.uid);
    good(await api.call("DELETE", path), 200, "delete");
    assert.deepEqual(good(await api.call("GET", eventsRoot(namespace)), 200, "list").items, []);
  },
  async "new events as a collection"(api, namespace) {
    const root = eventsRoot(namespace);
    for (const name of ["test-event-1", "test-event-2", "test-event-3"]) {
      good(await api.call("POST", root, newEvent(namespace, name, "many")), 201, "create");
    }
    const selected = `${root}?labelSelector=testevent-set=many`;
    assert.equal(good(await api.call("GET", selected), 200, "list").items.length, 3);
    good(await api.call("DELETE", selected), 200, "delete the collection");
    assert.deepEqual(good(await api.call("GET", selected), 200, "list").items, []);
  },
};
