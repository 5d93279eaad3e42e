import { deepStrictEqual as equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { decodeManagers } from "../../api/apply/managers.ts";
import { BatchError, decodeBatchAnswers, decodeBatchRequests, encodeBatchRequests } from "../../api/batch.ts";
import { JsonSyntaxError, parseJson } from "../../api/codec/json.ts";
import { decode, mediaTypes } from "../../api/codec/mod.ts";
import { decodeMsgpack, encodeMsgpack, MsgpackError } from "../../api/codec/msgpack.ts";
import { encodeYaml, parseYaml, YamlSyntaxError } from "../../api/codec/yaml.ts";
import { parseFieldSelector } from "../../api/fields.ts";
import { matchesSelector, parseSelector, SelectorError } from "../../api/labels.ts";
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch, PatchError } from "../../api/patch/mod.ts";
import { canonicalQuantity, QuantityError } from "../../api/quantity.ts";
import { deployments, pods } from "../../api/resources.ts";
import { sampleObject } from "../../api/samples.ts";
import { ApiError } from "../../api/status.ts";
import { parseTime, parseTimeExact } from "../../api/time.ts";
import { Budget } from "../../apiserver/cel/budget.ts";
import { evaluate, scopeOf } from "../../apiserver/cel/evaluate.ts";
import { parseIp } from "../../apiserver/cel/functions/addresses.ts";
import { parseDuration, parseTimestamp } from "../../apiserver/cel/functions/conversions.ts";
import { loadParser } from "../../apiserver/cel/parse.ts";
import { CelError, fromJson } from "../../apiserver/cel/values.ts";
import { JsonPathError, parseJsonPath } from "../../apiserver/crd/json_path.ts";
import { loadPatterns, PatternError } from "../../apiserver/crd/patterns.ts";
import { parseAccept } from "../../apiserver/negotiate.ts";
import { decodeProtobuf } from "../../apiserver/protobuf/decode.ts";
import { encodeProtobuf } from "../../apiserver/protobuf/encode.ts";
import { ProtobufError as ObjectProtobufError } from "../../apiserver/protobuf/wire.ts";
import { decodeContinue, encodeContinue } from "../../apiserver/registry/continue_token.ts";
import { utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { ProtobufError } from "../../base/protobuf.ts";
import { decodeRequest } from "../../cluster/control.ts";
import { parseLogLine } from "../../kubelet/core/cri_log.ts";
import { parseImage } from "../../kubelet/core/image.ts";
import { decodeGrpcMessage, parseGrpcTimeout } from "../../platform/grpc/status.ts";
import { NetworkError } from "../../platform/mod.ts";
import { FrameReader } from "../../platform/deno/framing.ts";
import { decodeHuffman } from "../../platform/http2/huffman.ts";
import { etcdCodec } from "../../store/etcd/messages.ts";
import { decodePeerFrame, encodePeerFrame } from "../../store/peer/codec.ts";
import { decodeConfiguration, encodeConfiguration } from "../../store/raft/configuration.ts";
import { chainStart, decodeSegment, encodeFrame } from "../../store/wal/codec.ts";
import { decodeCommand, decodeEvents, encodeCommand, encodeEvents, unpack, WireError } from "../../store/wire.ts";
import type { Revision } from "../../store/types.ts";
import { bytesLike, jsonValue, textOf } from "./input.ts";

/** One parser that reads what strangers, or a damaged disk, may send. */
export interface Target {
  readonly name: string;
  /** Draws an input and tries it: anything that the parser throws must be of the kinds that its callers expect. */
  readonly property: fc.IProperty<[unknown]>;
  /** How many inputs were not refused so far. A target that refuses everything tries nothing but its first check. */
  accepted(): number;
}

type Kind = abstract new (...args: never[]) => Error;

/** @param refusals errors that say "not valid", in the way that the parser promises */
function target<T>(
  name: string,
  input: fc.Arbitrary<T>,
  run: (input: T) => void,
  refusals: readonly Kind[] = [],
): Target {
  let accepted = 0;
  const property = fc.property(input, (value) => {
    try {
      run(value);
      accepted++;
    } catch (error) {
      if (!refusals.some((kind) => error instanceof kind)) throw error;
      if (error instanceof ApiError) ok(error.status.code !== 500, `500: ${error.message}`);
    }
  });
  return { name, property: property as fc.IProperty<[unknown]>, accepted: () => accepted };
}

const text = new TextEncoder();
const random = prng(7);
const podSamples = Array.from({ length: 6 }, () => sampleObject(pods, random));
const deploymentSample = sampleObject(deployments, random);
const key = text.encode("/registry/pods/default/a");
const pair = {
  key,
  value: text.encode("{}"),
  createRevision: 2 as Revision,
  modRevision: 3 as Revision,
  version: 1,
  lease: 0n,
};
const entry = { index: 5, term: 2, kind: "command" as const, data: text.encode("abc") };
const voters = { voters: ["a", "b", "c"], outgoing: [], learners: ["d"], learnersNext: [] };

const json = ["{", "}", "[", "]", ":", ",", '"', '"a"', '"\\u00e9"', "\\", "1", "-", ".5", "e9", "true", "null", " "];
const yaml = [
  "a: ",
  "- ",
  "\n",
  "  ",
  "&x ",
  "*x",
  "<<: ",
  "|",
  ">",
  "!!str ",
  "{",
  "}",
  "[",
  "]",
  "? ",
  '"',
  "'",
  "#",
  "yes",
];
const selector = ["a", "b/c", "=", "==", "!=", "!", " in ", " notin ", "(", ")", ",", ">", "<", "1", " "];
const cel = [
  "self",
  ".",
  "a",
  "(",
  ")",
  "[",
  "]",
  "1",
  "'x'",
  "+",
  "*",
  "==",
  "&&",
  "?",
  ":",
  "all(",
  "x,",
  "size(",
  "{",
  "}",
];
const path = [
  "/api",
  "/apis",
  "/v1",
  "/namespaces",
  "/pods",
  "/a",
  "/",
  "?",
  "watch=true",
  "&",
  "%2e%2e",
  "%00",
  "%",
  "//",
];

/** Mostly what it should be in base64, with something else for its number or its key. */
const tokenText = fc.tuple(textOf(["1", "-1", "0", "2e3", '"5"']), textOf(["a", "/", "..", "\\u0000", '"']))
  .map(([rv, start]) => btoa(`{"v":"meta.k8s.io/v1","rv":${rv},"start":"${start}"}`.replace(/[^\x20-\x7e]/g, "?")));

const parseCel = await loadParser();
const patterns = await loadPatterns();
const self = fromJson({ a: { b: [1, 2, "x"] }, x: "y".repeat(50) });

const texts: readonly Target[] = [
  target("JSON agrees with JSON.parse wherever that accepts", textOf(json), (input) => {
    const mine = parseJson(input).value;
    if (mine !== undefined) {
      equal(JSON.parse(JSON.stringify(loose(mine))), JSON.parse(JSON.stringify(JSON.parse(input))));
    }
  }, [JsonSyntaxError]),
  target("YAML", textOf(yaml), (input) => void parseYaml(input), [YamlSyntaxError]),
  target("YAML reads back what it wrote", jsonValue, (value) => {
    const plain = JSON.parse(JSON.stringify(value)) as unknown;
    equal(JSON.stringify(parseYaml(encodeYaml(plain)).value), JSON.stringify(plain));
  }),
  target(
    "label selector",
    textOf(selector),
    (input) => void matchesSelector(parseSelector(input), { a: "1", "b/c": "x" }),
    [
      SelectorError,
      ApiError,
    ],
  ),
  target("field selector", textOf(selector), (input) => void parseFieldSelector(input), [SelectorError, ApiError]),
  target(
    "quantity: canonical is a fixed point",
    textOf(["1", "0", ".", "5", "-", "+", "e", "E", "k", "Ki", "m", "n", "G"]),
    (input) => {
      const once = canonicalQuantity(input);
      equal(canonicalQuantity(once), once);
    },
    [QuantityError],
  ),
  target("time", textOf(["2026", "-", "01", "T", ":", "59", "Z", ".", "123456789", "+", "99"]), (input) => {
    void parseTimeExact(input);
    void parseTime(input);
  }),
  target(
    "Accept header",
    textOf(["application/json", "*/*", ";", ",", "q=", "0.5", "as=Table", "v=v1", "g=", " "]),
    (input) => void parseAccept(input),
  ),
  target(
    "continue token reads back",
    fc.record({ revision: fc.integer({ min: 1 }), start: fc.string({ minLength: 1 }) }, { noNullPrototype: true }),
    (token) => equal(decodeContinue(encodeContinue(token)), token),
    [ApiError],
  ),
  target("continue token", tokenText, (input) => void decodeContinue(input), [ApiError]),
  target(
    "JSONPath of printer columns",
    textOf([".", "a", "[", "]", "*", "'b'", "?(", "@", "==", ")", "\\.", "0", ":", "{", "}"]),
    (input) => void parseJsonPath(input),
    [JsonPathError],
  ),
  target(
    "pattern of a schema",
    textOf(["a", "(", ")", "*", "+", "?", "|", "[", "]", "^", "$", "\\d", "{1,9}", "(?:", "(?i)"]),
    (input) => void patterns.compile(input)("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"),
    [PatternError],
  ),
  target("CEL: parsed and evaluated within its budget", textOf(cel), (input) => {
    void evaluate(parseCel(input), scopeOf({ self }), new Budget(10_000), { patterns });
  }, [CelError]),
  target(
    "CEL duration, timestamp and address",
    textOf(["1", "h", "m", ".", "-", ":", "f", "2026", "T", "Z", "::"]),
    (input) => {
      void parseDuration(input);
      void parseTimestamp(input);
      void parseIp(input);
    },
  ),
  target("image name", textOf(["a", "/", ":", "@", "sha256", ".", "-", "A", "80"]), (input) => void parseImage(input)),
  target("gRPC status message and timeout", textOf(["%", "2", "F", "1", "S", "m", "u", "H"]), (input) => {
    void decodeGrpcMessage(input);
    void parseGrpcTimeout(input);
  }),
];

const bytes: readonly Target[] = [
  target(
    "an object's JSON",
    bytesLike(podSamples.map((pod) => utf8(JSON.stringify(pod)))),
    (input) => void decode(input, mediaTypes.json, pods.type, { fieldValidation: "Strict" }),
    [ApiError],
  ),
  target("msgpack", bytesLike(podSamples.map(encodeMsgpack)), (input) => void decodeMsgpack(input), [MsgpackError]),
  target(
    "an object's protobuf",
    bytesLike(podSamples.map((pod) => encodeProtobuf(pod, pods.type))),
    (input) => void decodeProtobuf(input, pods.type),
    [ObjectProtobufError],
  ),
  target(
    "batch of requests",
    bytesLike([
      encodeBatchRequests([{ method: "GET", path: "/api", contentType: "", accept: "", body: new Uint8Array(3) }]),
    ]),
    (input) => void decodeBatchRequests(input),
    [BatchError],
  ),
  target("batch of answers", bytesLike([utf8("x")]), (input) => void decodeBatchAnswers(input), [BatchError]),
  target(
    "container log line",
    bytesLike([utf8("2026-01-01T00:00:00.000000001Z stdout F hello")]),
    (input) => void parseLogLine(input),
  ),
  target("store values", bytesLike([Uint8Array.of(0x93, 1, 0xa1, 0x61, 0xc0)]), (input) => void unpack(input), [
    WireError,
  ]),
  target(
    "store command",
    bytesLike([
      encodeCommand({ kind: "leaseGrant", id: 7n, ttlSeconds: 5 }),
      encodeCommand({
        kind: "txn",
        request: { compare: [], success: [{ kind: "put", key, value: key }], failure: [] },
      }),
    ]),
    (input) => void decodeCommand(input),
    [WireError],
  ),
  target(
    "store events",
    bytesLike([encodeEvents([{ type: "put", kv: pair }])]),
    (input) => void decodeEvents(input, true),
    [WireError],
  ),
  target(
    "frames between members",
    bytesLike([
      encodePeerFrame({ kind: "hello", version: 2, clusterId: "c", from: "a", to: "b", address: "tcp:a:1" }),
    ]),
    (input) => void decodePeerFrame(input, { from: "a", to: "b" }),
  ),
  target(
    "configuration of members",
    bytesLike([encodeConfiguration(voters, utf8("why"))]),
    (input) => void decodeConfiguration(input),
    [RangeError],
  ),
  target(
    "segment of the log",
    bytesLike([encodeFrame(chainStart, [{ kind: "entries", entries: [entry] }]).bytes]),
    (input) => void decodeSegment(input, null),
  ),
  target(
    "etcd request",
    bytesLike([
      etcdCodec.encode("PutRequest", { key, value: key, lease: 5n }),
      etcdCodec.encode("TxnRequest", { success: [{ request_put: { key, value: key } }] }),
    ]),
    (input) => {
      void etcdCodec.decode("PutRequest", input);
      void etcdCodec.decode("TxnRequest", input);
      void etcdCodec.decode("WatchRequest", input);
    },
    [ProtobufError],
  ),
  target(
    "length-prefixed frames",
    bytesLike([Uint8Array.of(0, 0, 0, 2, 1, 2)]),
    (input) => new FrameReader(1000).push(input, (frame) => ok(frame.length <= 1000)),
    [NetworkError],
  ),
  target("Huffman text", bytesLike([Uint8Array.of(0xf1, 0xe3, 0xc2, 0xe5)]), (input) => void decodeHuffman(input)),
  target("control request", bytesLike([utf8('{"op":"status"}')]), (input) => void decodeRequest(input)),
];

const values: readonly Target[] = [
  target(
    "JSON patch leaves its input alone",
    fc.tuple(fc.array(operation()), jsonValue),
    ([patch, document]) => untouched(document, () => applyJsonPatch(document, patch)),
    [PatchError],
  ),
  target("JSON patch of any shape", jsonValue, (patch) => void applyJsonPatch({ a: [1] }, patch), [PatchError]),
  target(
    "merge patch leaves its input alone",
    fc.tuple(jsonValue, jsonValue),
    ([document, patch]) => untouched(document, () => applyMergePatch(document, patch)),
    [PatchError],
  ),
  target(
    "strategic merge patch",
    fc.tuple(fc.constantFrom(...podSamples, deploymentSample), jsonValue),
    ([document, patch]) => untouched(document, () => applyStrategicMergePatch(document, { spec: patch }, pods.type)),
    [PatchError],
  ),
  target(
    "managed fields",
    jsonValue,
    (fields) =>
      void decodeManagers([{
        manager: "m",
        operation: "Apply",
        apiVersion: "v1",
        fieldsType: "FieldsV1",
        fieldsV1: fields as object,
      }]),
  ),
];

export const targets: readonly Target[] = [...texts, ...bytes, ...values];
export const paths = textOf(path);

function operation(): fc.Arbitrary<unknown> {
  const place = textOf(["/a", "/0", "/-", "/__proto__", "~1", "~0", "/constructor/prototype"]);
  return fc.record({
    op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "spoil"),
    path: place,
    from: place,
    value: jsonValue,
  }, { requiredKeys: ["op"] });
}

/** Neither the document nor any object's prototype is changed, whatever becomes of the patch. */
function untouched(document: unknown, patch: () => unknown): void {
  const before = JSON.stringify(document);
  try {
    patch();
  } finally {
    equal(JSON.stringify(document), before);
    equal(Object.keys(Object.prototype), []);
    ok(!("polluted" in {}));
  }
}

/** Large integers as the doubles that JSON.parse makes of them. */
function loose(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(loose);
  if (typeof value !== "object" || value === null) return value;
  const object: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    Object.defineProperty(object, name, { value: loose(item), enumerable: true });
  }
  return object;
}
