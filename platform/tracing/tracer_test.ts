import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import type { TraceContext } from "../../base/trace_context.ts";
import { createMetrics } from "../metrics.ts";
import type { DiskFile, Log } from "../mod.ts";
import { createWorld } from "../sim/mod.ts";
import { createTracer, openTraceFile, type OtlpSpan } from "./mod.ts";

const remote: TraceContext = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", sampled: true };

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };

function scene() {
  const generator = prng(1);
  const spans: OtlpSpan[] = [];
  const time = { wall: 1_767_225_600_000, monotonic: 100 };
  const tracer = createTracer({
    clock: { now: () => Math.floor(time.wall), monotonic: () => time.monotonic },
    random: {
      next: () => generator.next(),
      int: (bound) => generator.int(bound),
      bytes: (length) => Uint8Array.from({ length }, () => generator.int(256)),
      uuid: () => "",
    },
    sink: { take: (span) => void spans.push(span) },
  });
  const pass = (ms: number) => {
    time.wall += ms;
    time.monotonic += ms;
  };
  return { tracer, spans, time, pass };
}

Deno.test("a span is written at its end, once, as OTLP's JSON has it: hexadecimal ids, numbers for kinds, texts for int64", () => {
  const { tracer, spans, pass } = scene();
  const server = tracer.start("GET /x", "server", { parent: remote });
  const store = server.child("Get etcd3", "client");
  store.set("key", "/registry/x");
  store.set("revision", 42);
  store.set("succeeded", true);
  pass(2);
  store.fail("no leader");
  store.end();
  assert.equal(spans.length, 1);
  pass(1);
  server.end();
  server.end();
  store.end();
  assert.deepEqual(spans, [{
    traceId: remote.traceId,
    spanId: store.context.spanId,
    parentSpanId: server.context.spanId,
    name: "Get etcd3",
    kind: 3,
    startTimeUnixNano: "1767225600000000000",
    endTimeUnixNano: "1767225600002000000",
    attributes: [
      { key: "key", value: { stringValue: "/registry/x" } },
      { key: "revision", value: { intValue: "42" } },
      { key: "succeeded", value: { boolValue: true } },
    ],
    status: { code: 2, message: "no leader" },
  }, {
    traceId: remote.traceId,
    spanId: server.context.spanId,
    parentSpanId: remote.spanId,
    name: "GET /x",
    kind: 2,
    startTimeUnixNano: "1767225600000000000",
    endTimeUnixNano: "1767225600003000000",
    attributes: [],
    status: {},
  }]);
});

Deno.test("a trace of one's own has a fresh id, no parent, and may link to another", () => {
  const { tracer, spans } = scene();
  const ids = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const span = tracer.start("GET", "server", { link: remote });
    assert.match(span.context.traceId, /^[0-9a-f]{32}$/);
    assert.match(span.context.spanId, /^[0-9a-f]{16}$/);
    ids.add(span.context.traceId).add(span.context.spanId);
    span.end();
  }
  assert.equal(ids.size, 200);
  assert.ok(spans.every((span) => !("parentSpanId" in span)));
  assert.deepEqual(spans[0]?.links, [{ traceId: remote.traceId, spanId: remote.spanId }]);
});

Deno.test("a child lies inside its parent to the microsecond, though the wall clock says whole milliseconds", () => {
  const { tracer, spans, time, pass } = scene();
  time.wall += 0.9; // the first look at the clocks is nearly a millisecond off
  for (let i = 0; i < 50; i++) {
    const parent = tracer.start("parent", "server");
    pass(0.15);
    const child = parent.child("child", "client");
    pass(0.23);
    child.end();
    pass(0.05);
    parent.end();
  }
  const nanos = (text: string | undefined) => BigInt(text ?? assert.fail());
  const [child, parent] = spans.slice(-2);
  const before = Number(nanos(child?.startTimeUnixNano) - nanos(parent?.startTimeUnixNano));
  const after = Number(nanos(parent?.endTimeUnixNano) - nanos(child?.endTimeUnixNano));
  assert.ok(Math.abs(before - 150_000) <= 1_000 && Math.abs(after - 50_000) <= 1_000, `${before}, ${after}`);
  const off = Number(nanos(parent?.endTimeUnixNano)) / 1e6 - time.wall;
  assert.ok(Math.abs(off) < 0.25, `${off} ms off`);
});

Deno.test("the wall clock being set back or forth is followed", () => {
  const { tracer, spans, time, pass } = scene();
  for (const stepMs of [3_600_000, -7_200_000]) {
    time.wall += stepMs;
    pass(5);
    tracer.start("x", "internal").end();
    assert.equal(spans.at(-1)?.startTimeUnixNano, `${time.wall}000000`);
  }
});

Deno.test("openTraceFile(): no file before a span; a batch a line, of one resource; what waits too long is counted as lost", async () => {
  const world = createWorld({ seed: 5 });
  const { disk } = world.host("a").platform;
  const metrics = createMetrics();
  await world.complete(disk.mkdir("logs"));
  const path = "logs/traces-a.jsonl";
  const file = openTraceFile(path, "a", { disk, log: quiet, metrics });
  assert.equal(await world.complete(disk.stat(path)), null);
  const { tracer, spans } = scene();
  tracer.start("one", "server").end();
  const [span = assert.fail()] = spans;
  for (let i = 0; i < 5_000; i++) file.take(span);
  await world.complete(file.close());
  const text = new TextDecoder().decode(await world.complete(disk.readFile(path)));
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 8);
  for (const { resourceSpans: [only, ...more] } of lines) {
    assert.deepEqual(more, []);
    assert.deepEqual(only.resource.attributes[0], { key: "service.name", value: { stringValue: "a" } });
    assert.equal(only.scopeSpans[0].spans.length, 512);
    assert.deepEqual(only.scopeSpans[0].spans[0], JSON.parse(JSON.stringify(span)));
  }
  assert.match(metrics.text(), /sauropod_trace_spans_total 4096/);
  assert.match(metrics.text(), /sauropod_trace_spans_lost_total 904/);
});

Deno.test("openTraceFile(): a disk that fails loses spans, not the component", async () => {
  const world = createWorld({ seed: 6 });
  const { disk } = world.host("a").platform;
  const metrics = createMetrics();
  let broken = true;
  const open = (path: string, options: object): Promise<DiskFile> =>
    broken ? Promise.reject(new Error("no")) : disk.open(path, options);
  const file = openTraceFile("t.jsonl", "a", { disk: { ...disk, open }, log: quiet, metrics });
  const { tracer, spans } = scene();
  tracer.start("one", "server").end();
  const [span = assert.fail()] = spans;
  file.take(span);
  await world.run(world.nowMs + 10);
  broken = false;
  file.take(span);
  await world.complete(file.close());
  assert.match(metrics.text(), /sauropod_trace_spans_lost_total 1/);
  assert.match(metrics.text(), /sauropod_trace_spans_total 1/);
});
