import { deepEqual, equal, match, ok } from "node:assert/strict";
import { connect } from "node:tls";
import { concatBytes, utf8 } from "../../base/bytes.ts";
import { encodeFrame, errorCode, flag, FrameReader, frameType } from "../http2/frames.ts";
import { HpackEncoder } from "../http2/hpack.ts";
import { createDenoPlatform } from "./mod.ts";
import { createTestAuthority } from "./test_certificates.ts";

/** What the TLS front and the HTTP server behind it do with clients that mean harm. A new Deno must pass it too. */

interface Hostile {
  /** Requests that reached a handler, as `METHOD path`. */
  readonly handled: string[];
  /** Sends `bytes` and gives what came back until the server closed, or `until` says that it is enough. */
  send(alpn: string, bytes: Uint8Array, until: (answer: Uint8Array) => boolean): Promise<Sent>;
}

interface Sent {
  readonly answer: Uint8Array;
  readonly closed: boolean;
}

async function withServer(use: (hostile: Hostile) => Promise<void>): Promise<void> {
  const platform = createDenoPlatform({ component: "test", logSink: () => {} });
  const authority = await createTestAuthority("cluster-ca");
  const server = await authority.issue("kube-apiserver", { names: ["api.test"] });
  const handled: string[] = [];
  const listener = await platform.network.http.serve({
    address: "tcp:127.0.0.1:0",
    tls: { ...server, clientCertificates: true },
    handler: async (request) => {
      handled.push(`${request.method} ${new URL(request.url).pathname}`);
      await request.text().catch(() => "");
      return new Response("fine");
    },
  });
  const port = Number(new URL(listener.url).port);
  const send: Hostile["send"] = (alpn, bytes, until) =>
    new Promise((resolve) => {
      const parts: Uint8Array[] = [];
      const finish = (closed: boolean) => resolve({ answer: concatBytes(parts), closed });
      const options = { host: "127.0.0.1", port, ca: authority.ca, servername: "api.test", ALPNProtocols: [alpn] };
      const socket = connect(options, () => void socket.write(bytes));
      socket.on("data", (part: Uint8Array) => {
        parts.push(part);
        if (!until(concatBytes(parts))) return;
        socket.destroy();
        finish(false);
      });
      socket.on("error", () => {}); // a reset while we still send: "close" follows
      socket.on("close", () => finish(true));
    });
  try {
    await use({ handled, send });
    const last = await send("http/1.1", utf8("GET /alive HTTP/1.1\r\nHost: x\r\n\r\n"), hasAnswer);
    match(text(last.answer), /^HTTP\/1\.1 200 /, "the server is alive");
  } finally {
    await listener.close();
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

const hasAnswer = (answer: Uint8Array) => text(answer).includes("\r\n\r\n");

Deno.test("HTTP/1.1: requests that two parsers could read in two ways are refused, and the connection with them", async () => {
  const head = "POST /a HTTP/1.1\r\nHost: x\r\n";
  const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const cases = {
    "Transfer-Encoding beside Content-Length":
      `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    "two lengths": `${head}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd${smuggled}`,
    "two encodings": `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
    "an unknown encoding": `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    "a negative length": `${head}Content-Length: -1\r\n\r\n${smuggled}`,
    "a length with a sign": `${head}Content-Length: +3\r\n\r\nabc${smuggled}`,
    "a space before the colon": "GET /a HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded header": "GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\r\n X-Remote-User: root\r\n\r\n",
    "a bare CR in a header": "GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\rX-Remote-User: root\r\n\r\n",
    "a NUL in a header": "GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n",
    "two hosts": "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "headers of a megabyte": `GET /a HTTP/1.1\r\nHost: x\r\nX-A: ${"a".repeat(1024 * 1024)}\r\n\r\n`,
    "five hundred headers": `GET /a HTTP/1.1\r\nHost: x\r\n${"X-A: b\r\n".repeat(500)}\r\n`,
  };
  await withServer(async ({ handled, send }) => {
    for (const [name, request] of Object.entries(cases)) {
      const { answer, closed } = await send("http/1.1", utf8(request), () => false);
      ok(closed, name);
      match(text(answer), /^(HTTP\/1\.1 (400|431) |$)/, name);
      ok(text(answer).split("HTTP/1.1 ").length <= 2, `${name}: more than one answer`);
    }
    deepEqual(handled, []);
  });
});

const { endHeaders, endStream } = flag;
const preface = concatBytes([
  utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  encodeFrame(frameType.settings, 0, 0, new Uint8Array(0)),
]);

function requestHead(encoder: HpackEncoder, path: string, more: [string, string][] = []): Uint8Array {
  return encoder.encode([[":method", "GET"], [":scheme", "https"], [":authority", "x"], [":path", path], ...more]);
}

/** Types of the frames in `answer`, and the code of a GOAWAY. */
function framesOf(answer: Uint8Array): { types: number[]; goAway: number | null } {
  const types: number[] = [];
  let goAway: number | null = null;
  new FrameReader().push(answer, ({ type, payload }) => {
    types.push(type);
    if (type === frameType.goAway) goAway = new DataView(payload.buffer, payload.byteOffset).getUint32(4);
  });
  return { types, goAway };
}

Deno.test("HTTP/2: streams that are opened and reset without end close the connection (CVE-2023-44487)", async () => {
  await withServer(async ({ handled, send }) => {
    const encoder = new HpackEncoder(4096);
    const flood = Array.from({ length: 5000 }, (_, i) => [
      encodeFrame(frameType.headers, endStream | endHeaders, 2 * i + 1, requestHead(encoder, "/reset")),
      encodeFrame(frameType.rstStream, 0, 2 * i + 1, Uint8Array.of(0, 0, 0, 8)),
    ]).flat();
    const { answer, closed } = await send("h2", concatBytes([preface, ...flood]), () => false);
    ok(closed);
    equal(framesOf(answer).goAway ?? errorCode.enhanceYourCalm, errorCode.enhanceYourCalm);
    ok(handled.length < 1000, `${handled.length} of 5000 reached the handler`);
  });
});

Deno.test("HTTP/2: a header block without an end closes the connection (CVE-2023-45288)", async () => {
  await withServer(async ({ handled, send }) => {
    const begun = encodeFrame(frameType.headers, endStream, 1, requestHead(new HpackEncoder(4096), "/endless"));
    // Indexed fields (`:method: GET`), and nothing at all: each kind is held in its own way.
    for (const filler of [new Uint8Array(100).fill(0x82), new Uint8Array(0)]) {
      const more = encodeFrame(frameType.continuation, 0, 1, filler);
      const { closed } = await send("h2", concatBytes([preface, begun, ...Array(20_000).fill(more)]), () => false);
      ok(closed);
    }
    deepEqual(handled, []);
  });
});

Deno.test("HTTP/2: a connection has at most 200 open streams; what is over it is refused, untried", async () => {
  await withServer(async ({ handled, send }) => {
    const encoder = new HpackEncoder(4096);
    const open = Array.from(
      { length: 300 },
      (_, i) => encodeFrame(frameType.headers, endHeaders, 2 * i + 1, requestHead(encoder, "/open")),
    );
    const refused = (answer: Uint8Array) => framesOf(answer).types.filter((type) => type === frameType.rstStream);
    await send("h2", concatBytes([preface, ...open]), (answer) => refused(answer).length >= 100);
    ok(handled.length <= 200, `${handled.length}`);
  });
});

Deno.test("HTTP/2: headers of a megabyte, and a body longer than it was announced, end their stream", async () => {
  await withServer(async ({ handled, send }) => {
    const block = requestHead(
      new HpackEncoder(4096),
      "/big",
      Array.from({ length: 70 }, (_, i): [string, string] => [`x-a${i}`, "a".repeat(16_000)]),
    );
    const frames = [encodeFrame(frameType.headers, endStream, 1, block.subarray(0, 16_000))];
    for (let at = 16_000; at < block.length; at += 16_000) {
      const last = at + 16_000 >= block.length;
      frames.push(encodeFrame(frameType.continuation, last ? endHeaders : 0, 1, block.subarray(at, at + 16_000)));
    }
    const over = (answer: Uint8Array) => {
      const { types, goAway } = framesOf(answer);
      return goAway !== null || types.includes(frameType.rstStream) || types.includes(frameType.headers);
    };
    await send("h2", concatBytes([preface, ...frames]), over);
    deepEqual(handled, []);
    const head = requestHead(new HpackEncoder(4096), "/long", [["content-length", "3"]]);
    const long = [
      encodeFrame(frameType.headers, endHeaders, 1, head),
      encodeFrame(frameType.data, endStream, 1, new Uint8Array(10)),
    ];
    const { answer } = await send("h2", concatBytes([preface, ...long]), over);
    ok(framesOf(answer).types.includes(frameType.rstStream));
  });
});
