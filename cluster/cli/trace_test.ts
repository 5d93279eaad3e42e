import assert from "node:assert/strict";
import type { OtlpSpan } from "../../platform/tracing/mod.ts";
import { spansIn, traceTable, waterfall } from "./trace.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

function span(name: string, spanId: string, parentSpanId: string | null, micros: [number, number]): OtlpSpan {
  const at = (micro: number) => `${1_767_225_600_000_000 + micro}000`;
  return {
    traceId,
    spanId,
    ...(parentSpanId === null ? {} : { parentSpanId }),
    name,
    kind: 1,
    startTimeUnixNano: at(micros[0]),
    endTimeUnixNano: at(micros[1]),
    attributes: [{ key: "raft.index", value: { intValue: "7" } }],
    status: name === "raft" ? { code: 2, message: "no quorum" } : {},
  };
}

function line(...spans: OtlpSpan[]): string {
  return `${JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans }] }] })}\n`;
}

Deno.test("waterfall() puts spans of several processes under each other; half a line at a file's end is left out", () => {
  const server = line(span("Create etcd3", "b", "a", [300, 2_300])) + line(span("POST /x", "a", "client", [0, 3_250]));
  const spans = [
    ...spansIn("apiserver-0", server + '{"resourceSp'),
    ...spansIn("store-1", line(span("raft", "c", "b", [400, 2_200]))),
  ];
  assert.deepEqual(waterfall(spans).split("\n"), [
    "BEGAN      TOOK      COMPONENT     SPAN             SAYS",
    "+0.00 ms   3.25 ms   apiserver-0   POST /x          raft.index=7",
    "+0.30 ms   2.00 ms   apiserver-0     Create etcd3   raft.index=7",
    "+0.40 ms   1.80 ms   store-1           raft         FAILED: no quorum raft.index=7",
  ]);
  const row = `${traceId}   2026-01-01T00:00:00.000Z   3.25 ms   POST /x`;
  assert.deepEqual(traceTable(spans).split("\n").slice(1), [row]);
  assert.equal(traceTable([]), "No traces.");
});
