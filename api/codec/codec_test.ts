import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { type Prng, prng } from "../../base/prng.ts";
import type { Pod } from "../gen/types.ts";
import { ApiError } from "../status.ts";
import { parseJson } from "./json.ts";
import { decode, decodeMsgpack, encode, encodeMsgpack, type FieldValidation, mediaTypes, parseYaml } from "./mod.ts";

const pod = "io.k8s.api.core.v1.Pod";
const deployment = "io.k8s.api.apps.v1.Deployment";

function read(text: string, type = pod, fieldValidation: FieldValidation = "Strict", media: string = mediaTypes.json) {
  return decode<Pod>(utf8(text), media, type, { fieldValidation });
}

function refused(text: string, message: string | RegExp, type = pod, media: string = mediaTypes.json): void {
  throws(() => read(text, type, "Strict", media), (error) => {
    ok(error instanceof ApiError);
    equal(error.code, 400);
    if (typeof message === "string") equal(error.message, message);
    else ok(message.test(error.message), error.message);
    return true;
  });
}

Deno.test("decode() leaves what Go's decoder would leave: no nulls, no empty maps, canonical quantities and times", () => {
  const { object } = read(JSON.stringify({
    metadata: { name: "x", creationTimestamp: null, labels: {}, annotations: { a: null }, finalizers: [] },
    spec: {
      nodeSelector: {},
      containers: [{ name: "c", resources: { requests: { cpu: 0.5, memory: "1024Mi" } }, env: null }],
      volumes: [{ name: "v", emptyDir: {} }],
    },
    status: { startTime: "2023-11-14T23:13:20.7+01:00" },
  }));
  deepEqual(object, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "x", annotations: { a: "" } },
    spec: {
      containers: [{ name: "c", resources: { requests: { cpu: "500m", memory: "1Gi" } } }],
      volumes: [{ name: "v", emptyDir: {} }],
    },
    status: { startTime: "2023-11-14T22:13:20Z" },
  });
});

Deno.test("decode() reports unknown and repeated fields by path: error with Strict, warning with Warn", () => {
  const text = '{"kind":"Deployment","apiVersion":"apps/v1","spec":{"foo":1,"paused":true,"paused":false,' +
    '"template":{"spec":{"containers":[{"name":"a"},{"name":"b","Image":"x"}]}}}}';
  refused(
    text,
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo", ' +
      'unknown field "spec.template.spec.containers[1].Image", duplicate field "spec.paused"',
    deployment,
  );
  deepEqual(read(text, deployment, "Warn").warnings, [
    'unknown field "spec.foo"',
    'unknown field "spec.template.spec.containers[1].Image"',
    'duplicate field "spec.paused"',
  ]);
  deepEqual(read(text, deployment, "Ignore").warnings, []);
});

Deno.test("decode() refuses wrong types in Go's words", () => {
  const head = 'Deployment in version "v1" cannot be handled as a Deployment: ';
  const cases: [string, string][] = [
    [
      '{"spec":{"replicas":"3"}}',
      "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      '{"spec":{"replicas":1.5}}',
      "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      '{"spec":{"replicas":5000000000}}',
      "json: cannot unmarshal number 5000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      '{"metadata":{"labels":{"a":true}}}',
      "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
    ],
    [
      '{"spec":{"template":{"spec":{"containers":{}}}}}',
      "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
    ],
    ['{"metadata":[]}', "json: cannot unmarshal array into Go struct field Deployment.metadata of type v1.ObjectMeta"],
  ];
  for (const [text, message] of cases) refused(text, head + message, deployment);
  refused(
    "[]",
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal array into Go value of type v1.Pod',
  );
  refused(
    '{"spec":{"containers":[{"resources":{"limits":{"cpu":"many"}}}]}}',
    /quantities must match the regular expression/,
  );
  refused(
    '{"metadata":{"creationTimestamp":"yesterday"}}',
    'Pod in version "v1" cannot be handled as a Pod: parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": ' +
      'cannot parse "yesterday" as "2006"',
  );
});

Deno.test("decode() refuses another kind or version, broken text and unknown media types", () => {
  refused('{"apiVersion":"v2"}', "the API version in the data (v2) does not match the expected API version (v1)");
  refused('{"kind":"Node"}', /^Node in version "v1" cannot be handled as a Pod/);
  refused(
    "",
    "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; " +
      "json parse error: unexpected end of JSON input (<empty>)",
  );
  refused(
    '{"a":}',
    "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; " +
      "json parse error: invalid character '}' looking for beginning of value ({\"a\":})",
  );
  refused('{"a":1,}', /invalid character '}' looking for beginning of object key string/);
  refused('{"a" 1}', /invalid character '1' after object key \(/);
  refused('{"a":1 "b"}', /invalid character '"' after object key:value pair/);
  refused('{"a":[1 2]}', /invalid character '2' after array element/);
  refused("{} x", /invalid character 'x' after top-level value/);
  refused('{"a":tru}', /invalid character '}' in literal true \(expecting 'e'\)/);
  refused('{"a":"\\q"}', /invalid character 'q' in string escape code/);
  refused('{"a":-}', /invalid character '}' in numeric literal/);
  throws(() => read("{}", pod, "Strict", "text/plain"), {
    name: "ApiError",
    message: /^the body of the request was in/,
  });
});

Deno.test("parseJson() bounds depth, keeps large integers exact and leaves prototypes alone", () => {
  throws(() => parseJson("[".repeat(100_000)), { message: "exceeded max depth" });
  equal(parseJson('{"a":9007199254740993}').value instanceof Object, true);
  deepEqual(parseJson('{"a":9007199254740993,"b":1.5}').value, { a: 9007199254740993n, b: 1.5 });
  const text = '{"data":{"__proto__":"x","constructor":"y"},"metadata":{"name":"n"}}';
  const { object } = decode<{ data?: Record<string, string> }>(
    utf8(text),
    mediaTypes.json,
    "io.k8s.api.core.v1.ConfigMap",
    { fieldValidation: "Strict" },
  );
  deepEqual(Object.keys(object.data ?? {}), ["__proto__", "constructor"]);
  equal(Object.getPrototypeOf(object.data), Object.prototype);
  equal(JSON.stringify(object.data), '{"__proto__":"x","constructor":"y"}');
  refused('{"spec":{"terminationGracePeriodSeconds":9007199254740993}}', /cannot unmarshal number 9007199254740993/);
});

function randomJson(random: Prng, depth: number): unknown {
  switch (random.int(depth > 4 ? 4 : 6)) {
    case 0:
      return random.int(1000) - 500;
    case 1:
      return ["", 'q"\\:{[', "é\n", "a:b", "\u2028"][random.int(5)];
    case 2:
      return random.int(2) === 0;
    case 3:
      return random.next();
    case 4:
      return Array.from({ length: random.int(4) }, () => randomJson(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from(
          { length: random.int(4) },
          (_, i) => [`${'k:"\\'[random.int(4)]}${i}`, randomJson(random, depth + 1)],
        ),
      );
  }
}

Deno.test("parseJson()'s slow parser agrees with JSON.parse, and finds exactly the key that was repeated", () => {
  const random = prng(3);
  for (let round = 0; round < 500; round++) {
    const value = { outer: randomJson(random, 0), list: [randomJson(random, 0)] };
    const text = JSON.stringify(value, undefined, random.int(2));
    deepEqual(parseJson(text), { value, duplicates: [] });
    const repeated = `{"twice":1,${text.slice(1, text.lastIndexOf("}"))},"twice":2}`;
    deepEqual(parseJson(repeated), { value: { twice: 2, ...value }, duplicates: ["twice"] });
  }
});

Deno.test("parseYaml() reads YAML 1.1 as Kubernetes does and bounds aliases", () => {
  deepEqual(parseYaml("a: yes\nb: 2023-11-14\nc: 0o7\nd: 12:30:00\ne: '1'\nf: &x {g: 1}\nh:\n  <<: *x\n").value, {
    a: true,
    b: "2023-11-14",
    c: "0o7",
    d: "12:30:00",
    e: "1",
    f: { g: 1 },
    h: { g: 1 },
  });
  const decoded = read("kind: Pod\nmetadata:\n  name: a\n  name: b\n", pod, "Warn", mediaTypes.yaml);
  deepEqual(decoded.warnings, ['yaml: unmarshal errors:\n  line 4: key "name" already set in map']);
  equal(decoded.object.metadata?.name, "b");
  const lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 9; i++) {
    const [name, before] = ["abcdefghij"[i], "abcdefghij"[i - 1]];
    lines.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]`);
  }
  refused(lines.join("\n"), /^the object provided is unrecognized .*yaml: /, pod, mediaTypes.yaml);
  refused("a: [b", /yaml: line 1: /, pod, mediaTypes.yaml);
  refused("[".repeat(50_000), /yaml: /, pod, mediaTypes.yaml);
});

Deno.test("msgpack round-trips objects and refuses values outside JSON's model", () => {
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "x", labels: undefined },
    spec: { containers: [] },
  };
  const bytes = encodeMsgpack(object);
  deepEqual(decodeMsgpack(bytes), { apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: { containers: [] } });
  deepEqual(decode(bytes, mediaTypes.msgpack, pod, { fieldValidation: "Strict" }).object.metadata, { name: "x" });
  throws(() => decodeMsgpack(encodeMsgpack({ a: new Uint8Array(3) })), { name: "MsgpackError" });
  throws(() => decodeMsgpack(encodeMsgpack({ a: new Date(0) })), { name: "MsgpackError" });
  throws(() => decodeMsgpack(bytes.subarray(1)), { name: "MsgpackError" });
});

Deno.test("encode() writes YAML that decode() reads back", () => {
  const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "x", annotations: { a: "yes", b: "1e3" } } };
  const text = fromUtf8(encode(object, mediaTypes.yaml));
  deepEqual(read(text, pod, "Strict", mediaTypes.yaml).object, object);
});
