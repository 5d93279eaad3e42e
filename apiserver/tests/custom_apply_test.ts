import assert from "node:assert/strict";
import { type Loose, start, type TestServer, until } from "../testing.ts";

const things = "/apis/example.com/v1/namespaces/default/things";
const text = { type: "string" };

const schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        replicas: { type: "integer" },
        ports: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["port", "protocol"],
          items: {
            type: "object",
            required: ["port"],
            properties: { port: { type: "integer" }, protocol: { ...text, default: "TCP" }, name: text },
          },
        },
        tags: { type: "array", "x-kubernetes-list-type": "set", items: text },
        order: { type: "array", items: text },
        limits: { type: "object", additionalProperties: text },
        whole: { type: "object", "x-kubernetes-map-type": "atomic", properties: { a: text, b: text } },
      },
    },
    status: { type: "object", properties: { replicas: { type: "integer" }, phase: text } },
  },
};

async function define(server: TestServer): Promise<void> {
  const scale = { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" };
  await server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    metadata: { name: "things.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "things", kind: "Thing" },
      versions: [{
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {}, scale },
      }],
    },
  });
  await until(() => server.get(things), ({ code }) => code === 200);
}

function apply(server: TestServer, manager: string, body: Loose, sub = "", query = "") {
  const object = { apiVersion: "example.com/v1", kind: "Thing", metadata: { name: "t" }, ...body };
  const headers = { "content-type": "application/apply-patch+yaml" };
  return server.patch(`${things}/t${sub}?fieldManager=${manager}${query}`, object, { headers });
}

const fieldsOf = (body: Loose, manager: string): Loose =>
  body.metadata.managedFields.find((it: Loose) => it.manager === manager)?.fieldsV1;

Deno.test("lists of custom resources are merged by their keys, sets by their values, others are owned whole", async () => {
  await using server = await start();
  await define(server);
  const one = await apply(server, "one", {
    spec: { ports: [{ port: 80, name: "http" }], tags: ["a"], order: ["x"], limits: { cpu: "1" }, whole: { a: "1" } },
  });
  assert.equal(one.code, 201, JSON.stringify(one.body));
  const two = await apply(server, "two", {
    spec: { ports: [{ port: 80, protocol: "UDP" }, { port: 443 }], tags: ["b"], limits: { memory: "2" } },
  });
  assert.equal(two.code, 200, JSON.stringify(two.body));
  assert.deepEqual(two.body.spec.ports.map((it: Loose) => [it.port, it.protocol, it.name]), [
    [80, "TCP", "http"],
    [80, "UDP", undefined],
    [443, "TCP", undefined],
  ]);
  assert.deepEqual([two.body.spec.tags, two.body.spec.limits], [["a", "b"], { cpu: "1", memory: "2" }]);
  const owned = fieldsOf(two.body, "two")["f:spec"];
  assert.ok('k:{"port":443,"protocol":"TCP"}' in owned["f:ports"], JSON.stringify(owned));
  assert.ok('v:"b"' in owned["f:tags"]);
  const clash = await apply(server, "two", {
    spec: { ports: [{ port: 80, name: "web" }], order: ["y"], whole: { b: "2" } },
  });
  assert.equal(clash.code, 409);
  assert.deepEqual(clash.body.details.causes.map((it: Loose) => it.field).sort(), [
    ".spec.order",
    '.spec.ports[port=80,protocol="TCP"].name',
    ".spec.whole",
  ]);
  // What a manager no longer names goes, where nobody else has it.
  const less = await apply(server, "two", { spec: { ports: [{ port: 443 }] } });
  assert.deepEqual(less.body.spec.ports.map((it: Loose) => [it.port, it.protocol]), [[80, "TCP"], [443, "TCP"]]);
  assert.deepEqual([less.body.spec.tags, less.body.spec.limits], [["a"], { cpu: "1" }]);
});

Deno.test("status and scale of a custom resource are applied by themselves, and owned there", async () => {
  await using server = await start();
  await define(server);
  await apply(server, "one", { spec: { replicas: 1 } });
  const status = await apply(server, "two", { status: { phase: "Ready" } }, "/status");
  assert.deepEqual([status.code, status.body.status, status.body.spec], [200, { phase: "Ready" }, { replicas: 1 }]);
  const entry = status.body.metadata.managedFields.find((it: Loose) => it.manager === "two");
  assert.equal(entry.subresource, "status");
  const scale = { apiVersion: "autoscaling/v1", kind: "Scale", metadata: { name: "t" }, spec: { replicas: 3 } };
  const headers = { "content-type": "application/apply-patch+yaml" };
  const clash = await server.patch(`${things}/t/scale?fieldManager=three`, scale, { headers });
  assert.equal(clash.code, 409, JSON.stringify(clash.body));
  const forced = await server.patch(`${things}/t/scale?fieldManager=three&force=true`, scale, { headers });
  assert.deepEqual([forced.code, forced.body.spec], [200, { replicas: 3 }]);
  const { body } = await server.get(`${things}/t`);
  assert.equal(body.spec.replicas, 3);
  const owner = body.metadata.managedFields.find((it: Loose) => it.manager === "three");
  assert.deepEqual([owner.subresource, owner.fieldsV1], ["scale", { "f:spec": { "f:replicas": {} } }]);
});
