import assert from "node:assert/strict";
import { start } from "../testing.ts";

const deployments = "/apis/apps/v1/namespaces/default/deployments";
const body = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web" },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "main", image: "v1" }] } },
  },
};

Deno.test("a patch whose outcome does not fit the type is 422 about `patch`, each kind of patch in its own words", async () => {
  await using server = await start();
  assert.equal((await server.post(deployments, body)).code, 201);
  const refused = async (type: string, patch: unknown, query = "") => {
    const contentType = `application/${type}+json`;
    const answer = await server.patch(`${deployments}/web${query}`, patch, {
      headers: { "content-type": contentType },
    });
    assert.deepEqual([answer.code, answer.body.reason], [422, "Invalid"], JSON.stringify(answer.body));
    return answer.body.details;
  };
  const strategic = async (spec: unknown) =>
    (await refused("strategic-merge-patch", { spec })).causes[0].message as string;
  assert.equal(
    await strategic({ replicas: "three" }),
    'Invalid value: "map[spec:map[replicas:three]]": unrecognized type: int32',
  );
  assert.match(await strategic({ paused: 1 }), /: unrecognized type: bool$/);
  assert.match(await strategic({ template: "x" }), /: cannot restore struct from: string$/);
  assert.match(await strategic({ selector: { matchLabels: { a: 1 } } }), /: cannot convert int64 to string$/);

  const merged = await refused("merge-patch", { spec: { replicas: "three" } });
  assert.equal(merged.causes[0].field, "patch");
  assert.match(merged.causes[0].message, /^Invalid value: "\{.*json: cannot unmarshal string into Go struct field/);
  const unknown = await refused("merge-patch", { spec: { foo: 1 } }, "?fieldValidation=Strict");
  assert.match(unknown.causes[0].message, /strict decoding error: unknown field "spec.foo"$/);
  // Nothing is said of what it was that did not apply: kubectl would show that instead of the sentence.
  assert.deepEqual(await refused("json-patch", [{ op: "remove", path: "/spec/zzz" }]), {});
});
