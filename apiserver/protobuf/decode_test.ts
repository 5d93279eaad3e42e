import assert from "node:assert/strict";
import { concatBytes, utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { start } from "../testing.ts";
import { decodeProtobuf } from "./decode.ts";
import { ProtobufError } from "./wire.ts";

type Value = string | number | Uint8Array;

/** A message from [number, value] pairs: text and messages length-delimited, numbers as varints. */
function message(...fields: readonly (readonly [number, Value])[]): Uint8Array {
  return concatBytes(fields.flatMap(([number, value]) => {
    if (typeof value === "number") return [varint(number << 3), varint(value)];
    const bytes = typeof value === "string" ? utf8(value) : value;
    return [varint((number << 3) | 2), varint(bytes.length), bytes];
  }));
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

function body(apiVersion: string, kind: string, raw: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(0x6b, 0x38, 0x73, 0), message([1, message([1, apiVersion], [2, kind])], [2, raw])]);
}

const podType = "io.k8s.api.core.v1.Pod";

Deno.test("decodeProtobuf() reads a Pod as Go writes it: embedded messages, quantities, times, maps, zeros left out", () => {
  const quantity = (text: string) => message([1, text]);
  const container = message(
    [1, "c"],
    [2, "nginx"],
    [3, "sh"],
    [3, "-c"],
    [5, ""],
    [6, message([1, ""], [2, 0], [3, 8080], [4, "TCP"])],
    [7, message([1, "E"], [3, message([4, message([1, message([1, "secret"])], [2, "key"], [3, 0])])])],
    [8, message([2, message([1, "cpu"], [2, quantity("100m")])])],
    [10, message([1, message([2, message([1, "/h"], [2, message([1, 1], [2, 0], [3, "http"])])])], [2, 0], [3, 1])],
    [16, 0],
  );
  const spec = message(
    [1, message([1, "v"], [2, message([19, message([1, message([1, "cm"])], [3, 420])])])],
    [2, container],
    [4, 0],
    [7, message([1, "a"], [2, ""])],
    [11, 0],
  );
  const meta = message([1, "p"], [2, ""], [8, message()], [11, message([1, "app"], [2, "x"])]);
  const pod = decodeProtobuf(body("v1", "Pod", message([1, meta], [2, spec], [3, message([1, ""])])), podType);
  assert.deepEqual(pod, {
    kind: "Pod",
    apiVersion: "v1",
    metadata: { name: "p", labels: { app: "x" } },
    spec: {
      volumes: [{ name: "v", configMap: { name: "cm", defaultMode: 420 } }],
      containers: [{
        name: "c",
        image: "nginx",
        command: ["sh", "-c"],
        ports: [{ containerPort: 8080, protocol: "TCP" }],
        env: [{ name: "E", valueFrom: { secretKeyRef: { name: "secret", key: "key", optional: false } } }],
        resources: { requests: { cpu: "100m" } },
        livenessProbe: { httpGet: { path: "/h", port: "http" }, timeoutSeconds: 1 },
      }],
      terminationGracePeriodSeconds: 0,
      nodeSelector: { a: "" },
    },
    status: {},
  });
});

Deno.test("decodeProtobuf() keeps a zero that was meant: spec.replicas 0", () => {
  const type = "io.k8s.api.apps.v1.Deployment";
  const spec = message([1, 0], [5, 0]);
  const deployment = decodeProtobuf(body("apps/v1", "Deployment", message([2, spec])), type);
  assert.deepEqual(deployment["spec"], { replicas: 0 });
});

Deno.test("decodeProtobuf() reads times and negative numbers", () => {
  const meta = message([8, message([1, 1767225600])], [10, -1]);
  const object = decodeProtobuf(body("v1", "ConfigMap", message([1, meta])), "io.k8s.api.core.v1.ConfigMap");
  assert.deepEqual(object["metadata"], {
    creationTimestamp: "2026-01-01T00:00:00Z",
    deletionGracePeriodSeconds: -1,
  });
});

Deno.test("decodeProtobuf() answers broken bytes with ProtobufError, never with anything else", () => {
  const good = body("v1", "Pod", message([1, message([1, "p"])], [2, message([2, message([1, "c"], [2, "i"])])]));
  const random = prng(3);
  for (let i = 0; i < 5000; i++) {
    const bytes = good.slice(0, random.int(2) === 0 ? good.length : random.int(good.length));
    for (let flips = random.int(4); flips > 0 && bytes.length > 0; flips--) {
      bytes[random.int(bytes.length)] = random.int(256);
    }
    try {
      decodeProtobuf(bytes, podType);
    } catch (error) {
      assert.ok(error instanceof ProtobufError, String(error));
    }
  }
  assert.throws(() => decodeProtobuf(utf8("{}"), podType), /does not appear to be a protobuf message/);
});

Deno.test("a protobuf body creates an object; a broken one is 400", async () => {
  await using server = await start();
  const headers = {
    "content-type": "application/vnd.kubernetes.protobuf",
    accept: "application/json",
  };
  const raw = message([1, message([1, "a"])], [2, message([1, "k"], [2, "v"])], [2, message([1, "e"])]);
  const path = "/api/v1/namespaces/default/configmaps";
  const made = await server.raw("POST", path, { headers, body: body("v1", "ConfigMap", raw) });
  assert.equal(made.status, 201);
  assert.deepEqual((await made.json()).data, { k: "v", e: "" });
  const broken = await server.raw("POST", path, { headers, body: utf8("nonsense") });
  assert.equal(broken.status, 400);
  await broken.body?.cancel();
});
