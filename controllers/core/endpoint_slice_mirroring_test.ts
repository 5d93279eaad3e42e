import assert from "node:assert/strict";
import type { Endpoints, EndpointSlice, Service } from "../../api/gen/types.ts";
import { reconcileMirroring } from "./endpoint_slice_mirroring.ts";

const service: Service = { metadata: { name: "db", namespace: "d" }, spec: { ports: [{ port: 80 }] } };

function endpoints(ips: readonly string[], labels: Record<string, string> = {}): Endpoints {
  return {
    metadata: { name: "db", namespace: "d", uid: "e1", labels },
    subsets: [{ addresses: ips.map((ip) => ({ ip })), ports: [{ port: 80 }] }],
  };
}

/** What a first look creates. */
function made(object: Endpoints): EndpointSlice[] {
  const { actions } = reconcileMirroring({ endpoints: object, service, slices: [] });
  return actions.map((action) => {
    assert.equal(action.kind, "create");
    return action.kind === "create" ? action.object as EndpointSlice : {} as EndpointSlice;
  });
}

Deno.test("reconcileMirroring() makes one slice for each family of addresses, and then has nothing to do", () => {
  const object = endpoints(["10.0.0.1", "10.0.0.1", "fd00::1"]);
  const slices = made(object);
  assert.deepEqual(slices.map(({ addressType, endpoints }) => [addressType, endpoints?.map((it) => it.addresses)]), [
    ["IPv4", [["10.0.0.1"]]],
    ["IPv6", [["fd00::1"]]],
  ]);
  assert.equal(slices[0]?.metadata?.labels?.["kubernetes.io/service-name"], "db");
  assert.equal(slices[0]?.metadata?.ownerReferences?.[0]?.kind, "Endpoints");
  assert.deepEqual(reconcileMirroring({ endpoints: object, service, slices }).actions, []);
});

Deno.test("reconcileMirroring() patches the slice whose ports stay, and replaces it when they change", () => {
  const slices = made(endpoints(["10.0.0.1"]));
  const moved = reconcileMirroring({ endpoints: endpoints(["10.0.0.2"]), service, slices }).actions;
  assert.deepEqual(moved.map(({ kind }) => kind), ["patch"]);
  const other: Endpoints = {
    ...endpoints([]),
    subsets: [{ notReadyAddresses: [{ ip: "10.0.0.1" }], ports: [{ port: 81 }] }],
  };
  const { actions } = reconcileMirroring({ endpoints: other, service, slices });
  assert.deepEqual(actions.map(({ kind }) => kind), ["create", "delete"]);
});

Deno.test("reconcileMirroring() leaves alone what is another controller's, and takes back what it made of it", () => {
  const slices = made(endpoints(["10.0.0.1"]));
  const selecting: Service = { ...service, spec: { selector: { app: "db" } } };
  const skipped = endpoints(["10.0.0.1"], { "endpointslice.kubernetes.io/skip-mirror": "true" });
  for (
    const view of [
      { endpoints: endpoints(["10.0.0.1"]), service: selecting },
      { endpoints: skipped, service },
      { endpoints: undefined, service },
      { endpoints: endpoints(["10.0.0.1"]), service: undefined },
    ]
  ) {
    assert.deepEqual(reconcileMirroring({ ...view, slices: [] }).actions, []);
    assert.deepEqual(reconcileMirroring({ ...view, slices }).actions.map(({ kind }) => kind), ["delete"]);
  }
});
