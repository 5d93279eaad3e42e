import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { encodeBase64 } from "../../api/base64.ts";
import { resources } from "../../api/resources.ts";
import type { Json } from "../dig.ts";
import { start } from "../testing.ts";
import { decodeProtobuf } from "./decode.ts";
import { encodeProtobuf } from "./encode.ts";
import { sampleObject } from "../../api/samples.ts";
import { readFields } from "./wire.ts";

/** How many objects are compared: a slice here, 100,000 in `deno task conformance:protobuf`. */
const samples = Number(Deno.env.get("PROTOBUF_SAMPLES") ?? 1160);

Deno.test(`protobuf and JSON say the same of ${samples} generated objects of all ${resources.length} kinds`, () => {
  const random = prng(7);
  for (let i = 0; i < samples; i++) {
    const info = resources[i % resources.length] as (typeof resources)[number];
    const object = sampleObject(info, random);
    const back = decodeProtobuf(encodeProtobuf(object, info.type), info.type);
    assert.deepEqual(back, object, `object ${i}, a ${info.kind}`);
  }
});

Deno.test("encodeProtobuf() writes fields in the order of their numbers, whatever the order of keys", () => {
  const object = {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name: "a", creationTimestamp: "2026-01-01T00:00:00Z" },
    data: { k: "v" },
    immutable: false,
  };
  const hex = [...encodeProtobuf(object, "io.k8s.api.core.v1.ConfigMap")]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const envelope = "6b387300" + "0a0f" + "0a027631" + "1209" + "436f6e6669674d6170" + "1217";
  const metadata = "0a0b" + "0a0161" + "4206" + "0880f2d6ca06";
  assert.equal(hex, envelope + metadata + "12060a016b120176" + "2000");
});

const protobuf = "application/vnd.kubernetes.protobuf";
const path = "/api/v1/namespaces/default/configmaps";

function read(bytes: Uint8Array, type: string): Json {
  return decodeProtobuf(bytes, type);
}

Deno.test("a Go client's Accept header gets objects, lists, Status and watch frames in protobuf", async () => {
  await using server = await start();
  const headers = { accept: `${protobuf},application/json` };
  const made = await server.raw("POST", path, {
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ metadata: { name: "a" }, data: { k: "v" } }),
  });
  assert.equal(made.headers.get("content-type"), protobuf);
  const object = read(new Uint8Array(await made.arrayBuffer()), "io.k8s.api.core.v1.ConfigMap");
  assert.deepEqual(object, (await server.get(`${path}/a`)).body);

  const list = await server.raw("GET", path, { headers });
  const listed = read(new Uint8Array(await list.arrayBuffer()), "io.k8s.api.core.v1.ConfigMapList");
  const { items, ...head } = (await server.get(path)).body;
  // Inside of a list's message an item has no envelope that would name its kind.
  assert.deepEqual(listed, {
    ...head,
    items: items.map(({ kind: _kind, apiVersion: _version, ...item }: Json) => item),
  });

  const missing = await server.raw("GET", `${path}/none`, { headers });
  assert.equal(missing.status, 404);
  const status = read(new Uint8Array(await missing.arrayBuffer()), "io.k8s.apimachinery.pkg.apis.meta.v1.Status");
  assert.deepEqual(status, (await server.get(`${path}/none`)).body);

  const watch = await server.raw("GET", `${path}?watch=1&fieldSelector=metadata.name=a`, { headers });
  assert.equal(watch.headers.get("content-type"), `${protobuf};stream=watch`);
  const reader = watch.body?.getReader();
  const { value } = await reader?.read() ?? {};
  assert.ok(value !== undefined);
  assert.equal(new DataView(value.buffer, value.byteOffset).getUint32(0), value.length - 4);
  const fields = [...readFields(value.subarray(4))];
  assert.equal(fromUtf8(fields[0]?.value as Uint8Array), "ADDED");
  const [raw] = [...readFields(fields[1]?.value as Uint8Array)];
  assert.deepEqual(read(raw?.value as Uint8Array, "io.k8s.api.core.v1.ConfigMap"), object);
  await reader?.cancel();
});

Deno.test("PartialObjectMetadata has a protobuf form, a Table has none", async () => {
  await using server = await start();
  await server.post(path, { metadata: { name: "a", labels: { x: "y" } } });
  const partial = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
  const list = await server.raw("GET", path, { headers: { accept: `${protobuf};${partial}` } });
  assert.equal(list.status, 200);
  const bytes = new Uint8Array(await list.arrayBuffer());
  assert.ok(fromUtf8(bytes).includes("PartialObjectMetadataList"));
  const table = await server.raw("GET", path, { headers: { accept: `${protobuf};as=Table;g=meta.k8s.io;v=v1` } });
  assert.equal(table.status, 406);
  await table.body?.cancel();
});

Deno.test("DeleteOptions are read from protobuf", async () => {
  await using server = await start();
  await server.post(path, { metadata: { name: "a" } });
  const type = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
  const options = { kind: "DeleteOptions", apiVersion: "v1", preconditions: { uid: "another" } };
  const refused = await server.raw("DELETE", `${path}/a`, {
    headers: { "content-type": protobuf },
    body: encodeProtobuf(options, type),
  });
  assert.equal(refused.status, 409);
  await refused.body?.cancel();
});

Deno.test("bytes fields and long texts survive", () => {
  const data = encodeBase64(utf8("x".repeat(5000)));
  const secret = { kind: "Secret", apiVersion: "v1", metadata: { name: "s".repeat(2000) }, data: { data } };
  const type = "io.k8s.api.core.v1.Secret";
  assert.deepEqual(decodeProtobuf(encodeProtobuf(secret, type), type), secret);
});
