import assert from "node:assert/strict";
import { fromUtf8 } from "../../base/bytes.ts";
import { start } from "../testing.ts";
import { encodeOpenApi } from "./openapi.ts";
import { readFields } from "./wire.ts";

function field(bytes: Uint8Array, ...path: readonly number[]): Uint8Array {
  let inside = bytes;
  for (const number of path) {
    const found = [...readFields(inside)].find((it) => it.number === number);
    assert.ok(found !== undefined && found.value instanceof Uint8Array, `field ${number} of ${path.join(".")}`);
    inside = found.value;
  }
  return inside;
}

Deno.test("encodeOpenApi() puts a v2 query parameter and its extension where gnostic reads them", () => {
  const bytes = encodeOpenApi({
    swagger: "2.0",
    paths: {
      "/a": {
        get: {
          parameters: [{ name: "watch", in: "query", type: "boolean", uniqueItems: true }],
          "x-kubernetes-action": "list",
        },
      },
    },
    definitions: { T: { type: "object", properties: { f: { $ref: "#/definitions/U" } } } },
  }, "v2");
  assert.equal(fromUtf8(field(bytes, 1)), "2.0");
  const path = field(bytes, 8, 2);
  assert.equal(fromUtf8(field(path, 1)), "/a");
  const operation = field(path, 2, 2);
  const parameter = field(operation, 8, 1, 2, 3);
  assert.equal(fromUtf8(field(parameter, 4)), "watch");
  assert.equal(fromUtf8(field(parameter, 6)), "boolean");
  assert.deepEqual([...readFields(parameter)].find((it) => it.number === 20)?.value, 1n);
  assert.equal(fromUtf8(field(operation, 13, 1)), "x-kubernetes-action");
  assert.equal(fromUtf8(field(operation, 13, 2, 2)), '"list"');
  const schema = field(bytes, 9, 1, 2);
  assert.equal(fromUtf8(field(schema, 22, 1)), "object");
  assert.equal(fromUtf8(field(schema, 25, 1, 2, 1)), "#/definitions/U");
});

Deno.test("encodeOpenApi() tells references from schemas in v3", () => {
  const bytes = encodeOpenApi({
    openapi: "3.0.0",
    components: {
      schemas: { T: { type: "object", properties: { f: { allOf: [{ $ref: "#/x" }] } }, additionalProperties: true } },
    },
  }, "v3");
  const schema = field(bytes, 5, 1, 1, 2, 1);
  assert.equal(fromUtf8(field(schema, 25)), "object");
  assert.equal(fromUtf8(field(schema, 31, 1, 2, 1, 26, 2, 1)), "#/x");
  assert.deepEqual([...readFields(field(schema, 32))], [{ number: 2, value: 1n }]);
});

for (const dialect of ["v2", "v3"] as const) {
  for (const at of ["@", "."]) {
    Deno.test(`/openapi/${dialect} in protobuf, asked for as spec.${dialect}${at}v1.0, with ETag and 304`, async () => {
      await using server = await start();
      const path = dialect === "v2" ? "/openapi/v2" : "/openapi/v3/apis/apps/v1";
      const accept = `application/com.github.proto-openapi.spec.${dialect}${at}v1.0+protobuf`;
      const answer = await server.raw("GET", path, { headers: { accept } });
      assert.equal(answer.status, 200);
      const type = `application/com.github.proto-openapi.spec.${dialect}.v1.0+protobuf`;
      assert.equal(answer.headers.get("content-type"), type);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      assert.equal(fromUtf8(field(bytes, 1)), dialect === "v2" ? "2.0" : "3.0.0");
      const etag = answer.headers.get("etag") ?? "";
      const again = await server.raw("GET", path, { headers: { accept, "if-none-match": etag } });
      assert.equal(again.status, 304);
      const refused = await server.raw("GET", path, { headers: { accept: "application/cbor" } });
      assert.equal(refused.status, 406);
      await refused.body?.cancel();
    });
  }
}
