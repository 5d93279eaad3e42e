import assert from "node:assert/strict";
import { etcdRegisters, watchEtcd } from "./etcd_registers.ts";

/** Runs `body` with a fetch() that answers with `answer` and forgets its signal at once. */
async function withFetch<T>(answer: () => Response, body: () => Promise<T>): Promise<T> {
  const before = globalThis.fetch;
  globalThis.fetch = () => Promise.resolve(answer());
  try {
    return await body();
  } finally {
    globalThis.fetch = before;
  }
}

Deno.test("watchEtcd() ends when its signal aborts, also when fetch() has forgotten the signal", async () => {
  const line = JSON.stringify({
    result: {
      header: { revision: "9" },
      events: [{ kv: { key: btoa("/chaos/a"), value: btoa("v"), mod_revision: "7", version: "1" } }],
    },
  });
  // A line cut in two, and then silence.
  const chunks = [line.slice(0, 40), `${line.slice(40)}\n`];
  let cancelled = false;
  const silent = () =>
    new Response(
      new ReadableStream<Uint8Array>({
        start: (sink) => chunks.forEach((each) => sink.enqueue(new TextEncoder().encode(each))),
        cancel: () => void (cancelled = true),
      }),
    );
  const stop = new AbortController();
  const seen: string[] = [];
  const end = await withFetch(silent, () =>
    watchEtcd(["http://one"], "/chaos/")(
      "6",
      (event) => {
        seen.push(`${event.type} ${event.key}=${event.value} at ${event.resourceVersion}`);
        stop.abort();
      },
      (version) => seen.push(`everything up to ${version}`),
      stop.signal,
    ));
  assert.equal(end, "ended");
  assert.deepEqual(seen, ["ADDED a=v at 7"]);
  assert.ok(cancelled, "the connection is given back");
});

Deno.test("etcdRegisters() tells a member's refusal from an answer that says no", async () => {
  const registers = etcdRegisters(["http://one"], "/chaos/");
  const failed = { header: { revision: "3" }, responses: [{ response_range: { kvs: [] } }] };
  const refused = await withFetch(
    () => Response.json(failed),
    () => registers.perform("a", { kind: "swap", expected: "x", value: "y" }, null),
  );
  assert.deepEqual(refused, { kind: "refused", missing: true });
  const unknown = await withFetch(
    () => Response.json({ error: "etcdserver: request timed out" }, { status: 503 }),
    () => registers.perform("a", { kind: "swap", expected: "x", value: "y" }, null),
  );
  assert.deepEqual(unknown, { kind: "unknown", error: "etcdserver: request timed out" });
});
