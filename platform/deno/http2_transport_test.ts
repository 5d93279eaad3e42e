import assert from "node:assert/strict";
import { connect, constants } from "node:http2";
import { utf8 } from "../../base/bytes.ts";
import { GrpcClient, grpcHandler } from "../grpc/mod.ts";
import { createLog } from "../log.ts";
import { createTimers } from "./clock.ts";
import { dialHttp2, serveHttp2 } from "./http2_transport.ts";
import { createTestAuthority } from "./test_certificates.ts";

const log = createLog({ component: "test", level: "error", now: () => 0, sink: () => {} });
const handler = grpcHandler(
  new Map([["/t.S/Echo", { kind: "unary", handle: (request: Uint8Array) => Promise.resolve(request) }]]),
  { timers: createTimers(), log },
);

Deno.test("serveHttp2() and dialHttp2() speak gRPC over mutual TLS, and nobody comes in without a certificate of the authority", async () => {
  const authority = await createTestAuthority("etcd-ca");
  const stranger = await createTestAuthority("another-ca");
  let subject = "";
  const server = await serveHttp2({
    address: "tcp:127.0.0.1:0",
    tls: await authority.issue("server"),
    onStream: (stream, fields, ended, peer) => {
      subject = peer?.commonName ?? "nobody";
      handler(stream, fields, ended, peer);
    },
  });
  const deps = { dial: dialHttp2, timers: createTimers() };
  const client = new GrpcClient({ address: server.address, tls: await authority.issue("root") }, deps);
  const large = new Uint8Array(1_500_000).fill(1);
  assert.deepEqual(await client.unary("/t.S/Echo", large, 5_000), large);
  assert.equal(subject, "root");
  const { cert, key } = await stranger.issue("root");
  for (const tls of [{ ca: authority.ca }, { ca: authority.ca, cert, key }]) {
    const refused = new GrpcClient({ address: server.address, tls }, deps);
    await assert.rejects(refused.unary("/t.S/Echo", utf8("x"), 5_000));
    refused.close();
  }
  client.close();
  await server.close();
});

Deno.test("serveHttp2() serves another implementation: node's HTTP/2 client, with trailers, a large body, and a reset", async () => {
  const server = await serveHttp2({
    address: "tcp:127.0.0.1:0",
    onStream: (stream) => {
      let bytes = 0;
      stream.onData = (data, ended) => {
        bytes += data.length;
        stream.taken(data.length);
        if (!ended) return;
        stream.sendHeaders([[":status", "200"], ["x-bytes", String(bytes)]]);
        stream.sendData(new Uint8Array(700_000));
        stream.sendTrailers([["grpc-status", "0"]]);
      };
    },
  });
  const session = connect(server.address.replace("tcp:", "http://"));
  const reset = session.request({ ":method": "POST", ":path": "/" });
  reset.on("error", () => {});
  reset.close(constants.NGHTTP2_CANCEL);
  const stream = session.request({ ":method": "POST", ":path": "/" });
  const result = { length: 0, bytes: "", status: "" };
  stream.on("response", (headers) => void (result.bytes = String(headers["x-bytes"])));
  stream.on("trailers", (trailers) => void (result.status = String(trailers["grpc-status"])));
  stream.on("data", (chunk: Uint8Array) => void (result.length += chunk.length));
  stream.end(new Uint8Array(500_000));
  await new Promise((resolve) => stream.on("close", resolve));
  assert.deepEqual(result, { length: 700_000, bytes: "500000", status: "0" });
  await new Promise<void>((resolve) => session.close(resolve));
  await server.close();
});

Deno.test("dialHttp2() says that nothing was sent when nobody listens", async () => {
  await assert.rejects(dialHttp2("tcp:127.0.0.1:1", {}), { name: "NetworkError", notSent: true });
});
