import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../base/bytes.ts";
import { batchPath, batchType, decodeBatchRequests, encodeBatchAnswers, maxBatchRequests } from "../api/batch.ts";
import { createBatchingTransport } from "./batching.ts";
import { TransportError } from "./errors.ts";
import * as limits from "./limits.ts";
import { settle } from "./testing.ts";
import type { Transport } from "./types.ts";

type Init = Parameters<Transport>[1];

/** An apiserver that answers when told; each answer is 201 with the path as its body. */
function server() {
  const calls: { readonly paths: readonly string[]; readonly answer: (refuse?: Response | Error) => void }[] = [];
  const transport: Transport = (path, init) => {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const requests = path === batchPath ? decodeBatchRequests(init.body ?? new Uint8Array(0)) : null;
    calls.push({
      paths: requests?.map((each) => each.path) ?? [path],
      answer(refuse) {
        if (refuse instanceof Error) return reject(refuse);
        if (refuse !== undefined) return resolve(refuse);
        if (requests === null) return resolve(new Response(path, { status: 201 }));
        const answers = requests.map((each) => ({
          status: 201,
          contentType: "text/plain",
          retryAfter: each.path === "/busy" ? "1" : "",
          warnings: [],
          body: new Uint8Array(utf8(each.path)),
        }));
        resolve(new Response(encodeBatchAnswers(answers), { headers: { "content-type": batchType } }));
      },
    });
    return promise;
  };
  return { calls, transport };
}

const write: Init = { method: "POST", headers: { "content-type": "application/json" }, body: utf8("{}") };

Deno.test("createBatchingTransport() sends a lone write as it is and at once, and what comes up meanwhile together", async () => {
  const { calls, transport } = server();
  const send = createBatchingTransport(transport);
  const texts: string[] = [];
  const post = (path: string) => void send(path, write).then(async (response) => texts.push(await response.text()));
  post("/1");
  await settle();
  assert.deepEqual(calls.map(({ paths }) => paths), [["/1"]]);
  post("/2");
  post("/3");
  await settle();
  assert.deepEqual(calls[1]?.paths, ["/2", "/3"], "asked for in one turn");
  post("/4");
  await settle();
  post("/5");
  await settle();
  assert.equal(calls.length, limits.maxBatchesUnderWay, "as many as may be are under way");
  calls[1]?.answer();
  await settle();
  assert.deepEqual(texts, ["/2", "/3"]);
  assert.deepEqual(calls[2]?.paths, ["/4", "/5"]);
  calls[0]?.answer();
  calls[2]?.answer();
  await settle();
  assert.deepEqual(texts.sort(), ["/1", "/2", "/3", "/4", "/5"]);
});

Deno.test("createBatchingTransport() hands reads, watches and calls with a signal on, and bounds a batch", async () => {
  const { calls, transport } = server();
  const send = createBatchingTransport(transport);
  const { signal } = new AbortController();
  for (const init of [{ ...write, method: "GET" }, { ...write, stream: true }, { ...write, signal }]) {
    void send("/alone", init);
  }
  void send("/large", { ...write, body: new Uint8Array(limits.maxBatchedBodyBytes + 1) });
  assert.deepEqual(calls.map(({ paths }) => paths), [["/alone"], ["/alone"], ["/alone"], ["/large"]]);
  for (let i = 0; i < maxBatchRequests + 1; i++) void send(`/${i}`, write);
  await settle();
  assert.deepEqual(calls.slice(4).map(({ paths }) => paths.length), [maxBatchRequests, 1]);
  const big = { ...write, body: new Uint8Array(limits.maxBatchedBodyBytes) };
  for (let i = 0; i < 32; i++) void send(`/${i}`, big);
  calls[4]?.answer();
  await settle();
  assert.equal(calls[6]?.paths.length, 15, "a MiB");
});

Deno.test("createBatchingTransport() tells everyone of a batch that failed, and asks again alone where it should", async () => {
  const { calls, transport } = server();
  const send = createBatchingTransport(transport);
  const lost = new TransportError("unknown", "the connection failed");
  const failed = Promise.allSettled([send("/1", write), send("/2", write)]);
  await settle();
  calls[0]?.answer(lost);
  assert.deepEqual(await failed, [{ status: "rejected", reason: lost }, { status: "rejected", reason: lost }]);

  const short = Promise.allSettled([send("/1", write), send("/2", write)]);
  await settle();
  calls[1]?.answer(new Response("", { status: 200 }));
  for (const each of await short) {
    assert.ok(each.status === "rejected" && each.reason instanceof TransportError && each.reason.outcome === "unknown");
  }

  const refused = Promise.all([send("/1", write), send("/2", write)]);
  await settle();
  calls[2]?.answer(new Response("no", { status: 401 }));
  for (const each of await refused) assert.deepEqual([each.status, await each.text()], [401, "no"]);

  const busy = Promise.all([send("/busy", write), send("/2", write)]);
  await settle();
  calls[3]?.answer();
  await settle();
  assert.deepEqual(calls[4]?.paths, ["/busy"]);
  calls[4]?.answer();
  assert.deepEqual((await busy).map(({ status }) => status), [201, 201]);
});

Deno.test("createBatchingTransport() gives batches up for good where the server does not know them", async () => {
  const { calls, transport } = server();
  const send = createBatchingTransport(transport);
  const both = Promise.all([send("/1", write), send("/2", write)]);
  await settle();
  calls[0]?.answer(new Response(fromUtf8(utf8("404 page not found")), { status: 404 }));
  await settle();
  assert.deepEqual(calls.slice(1).map(({ paths }) => paths), [["/1"], ["/2"]]);
  for (const call of calls.slice(1)) call.answer();
  assert.deepEqual((await both).map(({ status }) => status), [201, 201]);
  void send("/3", write);
  assert.deepEqual(calls[3]?.paths, ["/3"]);
});
