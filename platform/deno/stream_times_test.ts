import assert from "node:assert/strict";
import { concatBytes, utf8 } from "../../base/bytes.ts";
import { encodeFrame, errorCode, flag, FrameReader, frameType } from "../http2/frames.ts";
import { HpackEncoder } from "../http2/hpack.ts";
import { gatheredBodyMs, goAwayMs, idleConnectionMs, requestHeadMs } from "../limits.ts";
import { createLog } from "../log.ts";
import { serveRequests } from "./http2_requests.ts";
import { serveHttp } from "./http_server.ts";
import { manualTime } from "./manual_time.ts";
import { createDenoPlatform } from "./mod.ts";
import { createTestAuthority } from "./test_certificates.ts";

const { endHeaders, endStream } = flag;

/** A served connection, what it was asked, and the frames it sent. */
function serving(answer: () => Response) {
  const time = manualTime();
  const asked: string[] = [];
  const frames: { type: number; streamId: number; code: number | null }[] = [];
  const reader = new FrameReader();
  const encoder = new HpackEncoder(4096);
  let receive: (chunk: Uint8Array) => void = () => {};
  let end: (error?: Error) => void = () => {};
  let closed = false;
  serveRequests(
    {
      start: (onData, onEnd) => {
        receive = onData;
        end = onEnd;
      },
      write(bytes) {
        reader.push(bytes, ({ type, streamId, payload }) => {
          const at = type === frameType.goAway ? 4 : type === frameType.rstStream ? 0 : null;
          const code = at === null ? null : new DataView(payload.buffer, payload.byteOffset).getUint32(at);
          frames.push({ type, streamId, code });
        });
        return Promise.resolve();
      },
      close: () => {
        closed = true;
        end();
      },
      destroy: () => {},
    },
    (request) => {
      asked.push(new URL(request.url).pathname);
      return Promise.resolve(answer());
    },
    time,
  );
  function request(streamId: number, path: string, length?: number): void {
    const method = length === undefined ? "GET" : "POST";
    const fields: [string, string][] = [[":method", method], [":scheme", "https"], [":authority", "x"], [
      ":path",
      path,
    ]];
    if (length !== undefined) fields.push(["content-length", String(length)]);
    const flags = endHeaders | (length === undefined ? endStream : 0);
    receive(encodeFrame(frameType.headers, flags, streamId, encoder.encode(fields)));
  }
  receive(concatBytes([
    utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    encodeFrame(frameType.settings, 0, 0, new Uint8Array(0)),
  ]));
  const data = (streamId: number, bytes: Uint8Array, flags = 0) =>
    receive(encodeFrame(frameType.data, flags, streamId, bytes));
  return { time, asked, frames, request, data, isClosed: () => closed, end: () => end() };
}

const goAways = ({ frames }: ReturnType<typeof serving>) =>
  frames.filter(({ type }) => type === frameType.goAway).map(({ code }) => code);
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("HTTP/2: a connection without requests is told to go after 90 s, one with a watch never", async () => {
  const idle = serving(() => new Response("fine"));
  idle.request(1, "/a");
  await turn();
  idle.time.advance(idleConnectionMs - 1);
  assert.ok(!idle.isClosed());
  for (let i = 0; i < 100 && goAways(idle).length === 0; i++) {
    idle.time.advance(1000 - 1); // never the whole second that follows the word
    await turn();
  }
  assert.deepEqual(goAways(idle), [errorCode.noError]);
  // A request that crossed it is left alone, so that its client may ask elsewhere.
  idle.request(3, "/crossing");
  await turn();
  assert.ok(!idle.isClosed());
  assert.deepEqual(idle.asked, ["/a"]);
  idle.time.advance(goAwayMs);
  await turn();
  assert.ok(idle.isClosed());
  assert.equal(idle.time.waiting(), 0);

  let stop = (): void => {};
  const watch = serving(() =>
    new Response(
      new ReadableStream({
        start(controller) {
          stop = () => controller.close();
        },
      }),
    )
  );
  watch.request(1, "/watch");
  watch.time.advance(24 * 3600 * 1000);
  await turn();
  assert.ok(!watch.isClosed());
  stop();
  watch.end();
  assert.equal(watch.time.waiting(), 0);
});

Deno.test("HTTP/2: requests that come and go between two looks keep a connection from being idle", async () => {
  const busy = serving(() => new Response("fine"));
  for (let i = 0; i < 20; i++) {
    busy.request(2 * i + 1, "/a");
    await turn();
    busy.time.advance(requestHeadMs);
  }
  assert.ok(!busy.isClosed());
  assert.equal(busy.asked.length, 20);
  busy.end();
});

Deno.test("HTTP/2: a short body that does not come is given up after 60 s; others of its connection go on", async () => {
  const served = serving(() => new Response("fine"));
  served.request(1, "/slow", 10);
  served.data(1, utf8("12345"));
  served.time.advance(gatheredBodyMs - requestHeadMs);
  served.request(3, "/other", 4);
  served.data(3, utf8("abcd"), endStream);
  await turn();
  served.time.advance(2 * requestHeadMs);
  await turn();
  const resets = served.frames.filter(({ type }) => type === frameType.rstStream);
  assert.deepEqual(resets.map(({ streamId, code }) => [streamId, code]), [[1, errorCode.cancel]]);
  assert.deepEqual(served.asked, ["/other"]);
  assert.ok(!served.isClosed());
  served.end();
  assert.equal(served.time.waiting(), 0);
});

Deno.test("HTTP/2: our client's requests that cross the word to go are sent again by themselves", async () => {
  const time = manualTime();
  const authority = await createTestAuthority("cluster-ca");
  const log = createLog({ component: "test", level: "error", now: () => 0, sink: () => {} });
  const listener = await serveHttp({
    address: "tcp:127.0.0.1:0",
    tls: { ...await authority.issue("server"), clientCertificates: true },
    handler: async (request) => new Response(`${request.method} ${await request.text()}`),
  }, { log, ...time });
  const { network } = createDenoPlatform({ component: "test", logSink: () => {} });
  const client = network.http.client({ tls: { ca: authority.ca } });
  try {
    for (let i = 0; i < 10; i++) {
      // On a new connection: the one before has been told to go, and this request may have been on its way to it.
      const response = await client.fetch(listener.url, { method: "POST", body: "hello" });
      assert.equal(await response.text(), "POST hello");
      time.advance(goAwayMs);
      time.advance(requestHeadMs - goAwayMs);
      for (let looks = 0; looks < 3; looks++) time.advance(requestHeadMs);
    }
  } finally {
    client.close();
    await listener.close();
  }
});
