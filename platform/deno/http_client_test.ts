import assert from "node:assert/strict";
import { createHttpClient } from "./http_client.ts";

Deno.test("a streamed body breaks off when its signal aborts, also when fetch() has forgotten the signal", async () => {
  const before = globalThis.fetch;
  let cancelled = false;
  const silent = new ReadableStream<Uint8Array>({
    start: (sink) => sink.enqueue(new TextEncoder().encode("one")),
    cancel: () => void (cancelled = true),
  });
  globalThis.fetch = () => Promise.resolve(new Response(silent));
  const client = createHttpClient({});
  const stop = new AbortController();
  try {
    const { body } = await client.fetch("http://one/watch", { signal: stop.signal });
    const reader = body?.getReader();
    const first = await reader?.read();
    assert.equal(new TextDecoder().decode(first?.value), "one");
    const second = reader?.read();
    stop.abort(new Error("enough"));
    await assert.rejects(async () => await second, /The response broke off: Error: enough/);
    assert.ok(cancelled, "the connection is given back");
  } finally {
    globalThis.fetch = before;
    client.close();
  }
});
