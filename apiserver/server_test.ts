import assert from "node:assert/strict";
import { start } from "./testing.ts";

Deno.test("GET after POST answers what was stored, with uid, creationTimestamp and resourceVersion", async () => {
  await using server = await start();
  const made = await server.post("/api/v1/namespaces/default/configmaps", {
    metadata: { name: "a" },
    data: { k: "v" },
  });
  assert.equal(made.code, 201);
  assert.equal(made.body.kind, "ConfigMap");
  const got = await server.get("/api/v1/namespaces/default/configmaps/a");
  assert.deepEqual(got.body, made.body);
});
