import assert from "node:assert/strict";
import type { EndpointSlice, Pod, Service } from "../../api/gen/types.ts";
import { prng } from "../../base/prng.ts";
import { endpointsPerSlice } from "../limits.ts";
import { reconcileEndpointSlices } from "./endpoint_slice.ts";

function service(more: Partial<NonNullable<Service["spec"]>> = {}): Service {
  return {
    metadata: { name: "web", namespace: "d", uid: "svc", labels: { team: "x" } },
    spec: { clusterIP: "10.0.0.1", selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }], ...more },
  };
}

function pod(i: number, port = 8080, ready = true): Pod {
  return {
    metadata: { name: `p${i}`, namespace: "d", uid: `u${i}`, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      nodeName: "n",
      containers: [{ name: "c", image: "i", ports: [{ name: "http", containerPort: port }] }],
    },
    status: {
      phase: "Running",
      podIP: `10.1.0.${i}`,
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

/** Applies decisions to a set of slices. */
class Slices {
  all: EndpointSlice[] = [];
  writes = 0;
  #names = 0;

  reconcile(of: Service, pods: readonly Pod[], zones = new Map<string, string>()): void {
    const { actions } = reconcileEndpointSlices({ service: of, pods, slices: this.all, zones });
    for (const action of actions) {
      this.writes++;
      if (action.kind === "create") {
        const object = action.object as EndpointSlice;
        this.all.push({ ...object, metadata: { ...object.metadata, name: `s${++this.#names}` } });
      } else if (action.kind === "patch") {
        this.all = this.all.map((each) =>
          each !== action.object ? each : { ...each, ...action.patch, metadata: each.metadata ?? {} }
        );
      } else if (action.kind === "delete") this.all = this.all.filter((each) => !action.objects.includes(each));
    }
  }

  get names(): string[] {
    return this.all.flatMap((each) => (each.endpoints ?? []).map((endpoint) => endpoint.targetRef?.name ?? "")).sort();
  }
}

Deno.test("reconcileEndpointSlices() makes a slice that the proxy can use", () => {
  const slices = new Slices();
  slices.reconcile(service(), [pod(1)], new Map([["n", "zone-a"]]));
  assert.deepEqual(slices.all, [{
    metadata: {
      name: "s1",
      generateName: "web-",
      namespace: "d",
      labels: {
        team: "x",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      },
      ownerReferences: [{
        apiVersion: "v1",
        kind: "Service",
        name: "web",
        uid: "svc",
        controller: true,
        blockOwnerDeletion: true,
      }],
    },
    addressType: "IPv4",
    endpoints: [{
      addresses: ["10.1.0.1"],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: "n",
      targetRef: { kind: "Pod", name: "p1", namespace: "d", uid: "u1" },
      zone: "zone-a",
    }],
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
  }]);
});

Deno.test("reconcileEndpointSlices() keeps a placeholder, writes nothing twice, and ignores Services without a selector", () => {
  const slices = new Slices();
  slices.reconcile(service(), []);
  slices.reconcile(service(), []);
  assert.equal(slices.writes, 1);
  assert.deepEqual(slices.all[0]?.endpoints, []);
  slices.reconcile(service(), [pod(1), pod(2)]);
  slices.reconcile(service(), [pod(2), pod(1)]);
  assert.equal(slices.writes, 3);
  assert.equal(slices.all.length, 1);
  slices.reconcile(service({ selector: {} }), []);
  slices.reconcile(service({ type: "ExternalName" }), []);
  assert.equal(slices.writes, 3);
});

Deno.test("reconcileEndpointSlices() splits by how a named port resolves, and marks headless Services", () => {
  const slices = new Slices();
  slices.reconcile(service({ clusterIP: "None" }), [pod(1), pod(2, 9090), pod(3)]);
  assert.deepEqual(
    slices.all.map((each) => [each.ports?.[0]?.port, each.endpoints?.length]).sort(),
    [[8080, 2], [9090, 1]],
  );
  assert.equal(slices.all[0]?.metadata?.labels?.["service.kubernetes.io/headless"], "");
});

Deno.test("reconcileEndpointSlices() publishes unready pods only when told to, and never finished ones", () => {
  const readyOf = (of: Service, pods: Pod[]) => {
    const slices = new Slices();
    slices.reconcile(of, pods);
    return slices.all[0]?.endpoints?.map((each) => each.conditions?.ready);
  };
  const unready = pod(1, 8080, false);
  const finished: Pod = { ...pod(2), status: { ...pod(2).status, phase: "Succeeded" } };
  assert.deepEqual(readyOf(service(), [unready, finished]), [false]);
  assert.deepEqual(readyOf(service({ publishNotReadyAddresses: true }), [unready, finished]), [true]);
});

Deno.test("reconcileEndpointSlices() holds every pod once, in slices within the bound, over 200 random changes", () => {
  const random = prng(11);
  const slices = new Slices();
  let pods: Pod[] = [];
  let next = 1;
  for (let round = 0; round < 200; round++) {
    const grow = random.int(3) > 0 ? random.int(60) : 0;
    pods = pods.filter(() => random.int(5) > 0);
    for (let i = 0; i < grow; i++) pods.push(pod(next++, random.int(10) === 0 ? 9090 : 8080));
    slices.reconcile(service(), pods);
    assert.deepEqual(slices.names, pods.map((each) => each.metadata?.name ?? "").sort(), `round ${round}`);
    assert.ok(slices.all.every((each) => (each.endpoints ?? []).length <= endpointsPerSlice));
    const before = slices.writes;
    slices.reconcile(service(), pods);
    assert.equal(slices.writes, before, "settled");
  }
});
