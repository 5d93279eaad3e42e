import assert from "node:assert/strict";
import { prng } from "./prng.ts";
import { decodeTraceContext, encodeTraceContext, formatTraceparent, parseTraceparent } from "./trace_context.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";
const header = `00-${traceId}-${spanId}-01`;

Deno.test("parseTraceparent() reads the specification's example, and only the lowest flag counts", () => {
  assert.deepEqual(parseTraceparent(header), { traceId, spanId, sampled: true });
  for (const [flags, sampled] of [["00", false], ["02", false], ["03", true], ["fe", false], ["ff", true]] as const) {
    assert.equal(parseTraceparent(`00-${traceId}-${spanId}-${flags}`)?.sampled, sampled, flags);
  }
});

Deno.test("parseTraceparent() takes later versions with more behind the flags, and never version ff", () => {
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true });
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${spanId}-01-what-the-future`), { traceId, spanId, sampled: true });
  assert.equal(parseTraceparent(`cc-${traceId}-${spanId}-01.what`), null);
  assert.equal(parseTraceparent(`ff-${traceId}-${spanId}-01`), null);
});

Deno.test("parseTraceparent() answers null to what is malformed", () => {
  const malformed = [
    "",
    "00",
    `${header}-`,
    `${header}-more`,
    `${header}, ${header}`,
    ` ${header}`,
    header.toUpperCase(),
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.slice(1)}-${spanId}-01`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}`,
    `0-${traceId}-${spanId}-01`,
    header.replaceAll("-", "_"),
    `${header}\n`,
  ];
  for (const each of malformed) assert.equal(parseTraceparent(each), null, JSON.stringify(each));
});

Deno.test("a context survives the header and the bytes; one character changed is never read as the same context", () => {
  const random = prng(28);
  const hex = (length: number) => Array.from({ length }, () => "0123456789abcdef"[random.int(16)]).join("");
  for (let i = 0; i < 2_000; i++) {
    const context = { traceId: hex(32), spanId: hex(16), sampled: random.int(2) === 1 };
    const text = formatTraceparent(context);
    assert.deepEqual(parseTraceparent(text), context);
    assert.deepEqual(decodeTraceContext(encodeTraceContext(context)), { ...context, sampled: true });
    // Between the version and the flags, of which not all is kept.
    const at = 3 + random.int(50);
    const other = String.fromCharCode(32 + random.int(95));
    if (other === text[at]) continue;
    const spoilt = parseTraceparent(text.slice(0, at) + other + text.slice(at + 1));
    assert.notDeepEqual(spoilt, context, `${text} at ${at}: ${other}`);
  }
});

Deno.test("decodeTraceContext() answers null to bytes that are no context", () => {
  assert.equal(decodeTraceContext(new Uint8Array(24)), null);
  assert.equal(decodeTraceContext(new Uint8Array(23).fill(1)), null);
  assert.equal(decodeTraceContext(new Uint8Array(16).fill(1)), null);
  assert.equal(decodeTraceContext(new Uint8Array(25).fill(1)), null);
});
