import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { configMaps } from "../../api/resources.ts";
import { encodeAtRest, headOf, respliceRevision, spliceRevision } from "./splice.ts";

Deno.test("spliceRevision() inserts the revision into bytes at rest without touching the rest", () => {
  const object = { metadata: { name: "a", resourceVersion: "7" }, data: { k: 'x"}' } };
  const stored = encodeAtRest(configMaps, object);
  assert.equal(fromUtf8(stored), `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"x\\"}"}}`);
  const spliced = spliceRevision(configMaps, headOf(configMaps), stored, 42);
  assert.deepEqual(JSON.parse(fromUtf8(spliced)), {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name: "a", resourceVersion: "42" },
    data: { k: 'x"}' },
  });
  const later = respliceRevision(headOf(configMaps), spliced, 12345);
  assert.equal(JSON.parse(fromUtf8(later)).metadata.resourceVersion, "12345");
});

Deno.test("spliceRevision() reads bytes that someone else wrote in another order", () => {
  const foreign = utf8(`{"metadata":{"name":"a"},"apiVersion":"v1","kind":"ConfigMap"}`);
  const spliced = spliceRevision(configMaps, headOf(configMaps), foreign, 3);
  assert.equal(JSON.parse(fromUtf8(spliced)).metadata.resourceVersion, "3");
  const empty = encodeAtRest(configMaps, {});
  assert.equal(
    JSON.parse(fromUtf8(spliceRevision(configMaps, headOf(configMaps), empty, 3))).metadata.resourceVersion,
    "3",
  );
});
