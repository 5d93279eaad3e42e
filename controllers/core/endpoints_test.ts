import assert from "node:assert/strict";
import type { Endpoints, Pod, Service } from "../../api/gen/types.ts";
import { endpointAddresses } from "../limits.ts";
import type { Action } from "./action.ts";
import { reconcileEndpoints } from "./endpoints.ts";

function service(more: Partial<NonNullable<Service["spec"]>> = {}): Service {
  return {
    metadata: { name: "web", namespace: "d", uid: "svc", labels: { team: "x" } },
    spec: { clusterIP: "10.0.0.1", selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }], ...more },
  };
}

function pod(i: number, ready = true, port = 8080): Pod {
  return {
    metadata: { name: `p${i}`, namespace: "d", uid: `u${i}` },
    spec: { nodeName: "n", containers: [{ name: "c", image: "i", ports: [{ name: "http", containerPort: port }] }] },
    status: {
      phase: "Running",
      podIP: `10.1.${i >> 8}.${i & 255}`,
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

function terminating(of: Pod): Pod {
  return { ...of, metadata: { ...of.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
}

function decideOn(pods: readonly Pod[], of: Service | undefined = service(), current?: Endpoints): readonly Action[] {
  return reconcileEndpoints({ service: of, pods, current }).actions;
}

/** What is made when there is none yet. */
function made(pods: readonly Pod[], of: Service = service()): Endpoints {
  const [action] = decideOn(pods, of);
  assert.ok(action?.kind === "create");
  return action.object as Endpoints;
}

const labels = { team: "x", "endpoints.kubernetes.io/managed-by": "endpoint-controller" };
const address = (i: number) => ({
  ip: `10.1.0.${i}`,
  nodeName: "n",
  targetRef: { kind: "Pod", name: `p${i}`, namespace: "d", uid: `u${i}` },
});

Deno.test("reconcileEndpoints() keeps the ready apart from the others, sorted, without those that terminate", () => {
  const finished: Pod = { ...pod(9), status: { ...pod(9).status, phase: "Succeeded" } };
  assert.deepEqual(made([pod(2), pod(1), pod(3, false), terminating(pod(4)), finished]), {
    metadata: { name: "web", namespace: "d", labels },
    subsets: [{
      addresses: [address(1), address(2)],
      notReadyAddresses: [address(3)],
      ports: [{ port: 8080, protocol: "TCP" }],
    }],
  });
  assert.deepEqual(made([]), { metadata: { name: "web", namespace: "d", labels } });
  const eager = made([pod(3, false), terminating(pod(4))], service({ publishNotReadyAddresses: true }));
  assert.deepEqual(eager.subsets?.[0]?.addresses, [address(3), address(4)]);
});

Deno.test("reconcileEndpoints() makes a subset for each way in which pods name the ports", () => {
  const { subsets } = made([pod(1), pod(2, true, 9090), pod(3)]);
  assert.deepEqual(subsets?.map(({ addresses, ports }) => [ports?.[0]?.port, addresses?.map(({ ip }) => ip)]), [
    [8080, ["10.1.0.1", "10.1.0.3"]],
    [9090, ["10.1.0.2"]],
  ]);
  assert.equal(made([pod(1)], service({ ports: [{ port: 80, targetPort: "nowhere" }] })).subsets, undefined);
});

Deno.test("reconcileEndpoints() marks headless Services, which may have no ports", () => {
  const { metadata, subsets } = made([pod(1)], service({ clusterIP: "None", ports: [] }));
  assert.deepEqual(metadata?.labels, { ...labels, "service.kubernetes.io/headless": "" });
  assert.deepEqual(subsets, [{ addresses: [address(1)] }]);
});

Deno.test("reconcileEndpoints() writes what has changed, and nothing else", () => {
  const current = made([pod(1), pod(2)]);
  assert.deepEqual(decideOn([pod(2), pod(1)], service(), current), []);
  const [fewer] = decideOn([pod(1)], service(), current);
  assert.ok(fewer?.kind === "patch");
  assert.deepEqual(fewer.patch, {
    metadata: { labels },
    subsets: [{ addresses: [address(1)], ports: [{ port: 8080, protocol: "TCP" }] }],
  });
  const [none] = decideOn([], service(), current);
  assert.ok(none?.kind === "patch");
  assert.equal(none.patch["subsets"], null);
  const renamed: Service = { ...service(), metadata: { ...service().metadata, labels: { crew: "y" } } };
  const [relabelled] = decideOn([pod(1), pod(2)], renamed, current);
  assert.ok(relabelled?.kind === "patch");
  assert.deepEqual(relabelled.patch["metadata"], {
    labels: { team: null, crew: "y", "endpoints.kubernetes.io/managed-by": "endpoint-controller" },
  });
});

Deno.test("reconcileEndpoints() deletes its own with the Service, and leaves alone what users wrote", () => {
  const current = made([pod(1)]);
  const foreign: Endpoints = {
    metadata: { name: "web", namespace: "d" },
    subsets: [{ addresses: [{ ip: "1.2.3.4" }] }],
  };
  assert.deepEqual(reconcileEndpoints({ service: undefined, pods: [], current }).actions.map(({ kind }) => kind), [
    "delete",
  ]);
  assert.deepEqual(reconcileEndpoints({ service: undefined, pods: [], current: foreign }).actions, []);
  assert.deepEqual(reconcileEndpoints({ service: undefined, pods: [], current: undefined }).actions, []);
  assert.deepEqual(decideOn([pod(1)], service({ selector: {} }), foreign), []);
  assert.deepEqual(decideOn([pod(1)], service({ type: "ExternalName" })), []);
});

Deno.test("reconcileEndpoints() keeps at most the bound of addresses, the ready ones first, and says so", () => {
  const pods = Array.from({ length: endpointAddresses }, (_, i) => pod(i, i >= 10));
  assert.equal(made(pods).metadata?.annotations, undefined);
  const more = made([...pods, pod(endpointAddresses), pod(endpointAddresses + 1)]);
  assert.deepEqual(more.metadata?.annotations, { "endpoints.kubernetes.io/over-capacity": "truncated" });
  const [subset] = more.subsets ?? [];
  assert.equal(subset?.addresses?.length, endpointAddresses - 10 + 2);
  assert.equal(subset?.notReadyAddresses?.length, 8);
  const [action] = decideOn(pods, service(), more);
  assert.ok(action?.kind === "patch");
  assert.deepEqual(
    (action.patch["metadata"] as Record<string, unknown>)["annotations"],
    { "endpoints.kubernetes.io/over-capacity": null },
  );
});
