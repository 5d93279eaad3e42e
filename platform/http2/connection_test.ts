import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import type { Field } from "./hpack_table.ts";
import { http2Limits } from "./limits.ts";
import { connectedPair, RawClient, requestFields, settle } from "./testing.ts";
import type { Http2Stream } from "./stream.ts";

const answerOk = (stream: Http2Stream) => stream.sendHeaders([[":status", "200"]], true);
const u32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const settings = (id: number, value: number) => [0, id, ...u32(value)];
const withField = (...field: Field): Field[] => [...requestFields, field];

/** What breaks the protocol, by section of RFC 9113, and how the server must say so. 1 PROTOCOL, 3 FLOW_CONTROL, ... */
const cases: Record<string, [(client: RawClient) => unknown, string]> = {
  "3.4 a preface that is none": [(c) => c.raw(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")), "GOAWAY 1"],
  "3.4 another frame than SETTINGS first": [
    (c) => c.raw(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]),
    "GOAWAY 1",
  ],
  "4.2 a frame over the maximum": [(c) => c.greet().raw(Uint8Array.from([0, 64, 1, 0, 0, 0, 0, 0, 1])), "GOAWAY 6"],
  "4.3 a block that is none": [(c) => c.greet().frame(1, 5, 1, [0x80]), "GOAWAY 9"],
  "5.1 DATA on an idle stream": [(c) => c.greet().frame(0, 0, 1, [1]), "GOAWAY 1"],
  "5.1 RST_STREAM on an idle stream": [(c) => c.greet().frame(3, 0, 1, [0, 0, 0, 8]), "GOAWAY 1"],
  "5.1 WINDOW_UPDATE on an idle stream": [(c) => c.greet().frame(8, 0, 1, u32(1)), "GOAWAY 1"],
  "5.1 DATA after the end": [(c) => c.greet().request(1).frame(0, 0, 1, [1]), "RST 1 5"],
  "5.1 HEADERS after the end": [(c) => c.greet().request(1).request(1), "RST 1 5"],
  "5.1.1 an even stream of a client": [(c) => c.greet().request(2), "GOAWAY 1"],
  "5.1.1 a stream below the last": [(c) => c.greet().request(5).request(3), "GOAWAY 5"],
  "5.3.1 a stream that depends on itself": [(c) => c.greet().frame(2, 0, 1, [0, 0, 0, 1, 16]), "RST 1 1"],
  "6.1 DATA on stream 0": [(c) => c.greet().frame(0, 0, 0, [1]), "GOAWAY 1"],
  "6.1 padding longer than the frame": [(c) => c.greet().request(1, { end: false }).frame(0, 8, 1, [9, 1]), "GOAWAY 1"],
  "6.2 HEADERS on stream 0": [(c) => c.greet().frame(1, 5, 0, [0x82]), "GOAWAY 1"],
  "6.2 a block interrupted": [
    (c) => c.greet().frame(1, 1, 1, c.block(requestFields)).frame(6, 0, 0, Array(8).fill(0)),
    "GOAWAY 1",
  ],
  "6.3 PRIORITY of another size": [(c) => c.greet().frame(2, 0, 1, [0, 0, 0, 0]), "RST 1 6"],
  "6.4 RST_STREAM of another size": [(c) => c.greet().request(1, { end: false }).frame(3, 0, 1, [0]), "GOAWAY 6"],
  "6.5 SETTINGS on a stream": [(c) => c.greet().frame(4, 0, 1, []), "GOAWAY 1"],
  "6.5 SETTINGS cut off": [(c) => c.greet().frame(4, 0, 0, [0, 3, 0]), "GOAWAY 6"],
  "6.5 an acknowledgement with content": [(c) => c.greet().frame(4, 1, 0, settings(3, 1)), "GOAWAY 6"],
  "6.5.2 ENABLE_PUSH 2": [(c) => c.greet().frame(4, 0, 0, settings(2, 2)), "GOAWAY 1"],
  "6.5.2 a window over 2^31-1": [(c) => c.greet().frame(4, 0, 0, settings(4, 2 ** 31)), "GOAWAY 3"],
  "6.5.2 MAX_FRAME_SIZE too small": [(c) => c.greet().frame(4, 0, 0, settings(5, 16_383)), "GOAWAY 1"],
  "6.6 PUSH_PROMISE of a client": [(c) => c.greet().frame(5, 4, 1, [0, 0, 0, 2]), "GOAWAY 1"],
  "6.7 PING of another size": [(c) => c.greet().frame(6, 0, 0, [1]), "GOAWAY 6"],
  "6.7 PING on a stream": [(c) => c.greet().frame(6, 0, 1, Array(8).fill(0)), "GOAWAY 1"],
  "6.8 GOAWAY on a stream": [(c) => c.greet().frame(7, 0, 1, Array(8).fill(0)), "GOAWAY 1"],
  "6.9 WINDOW_UPDATE of 0 on the connection": [(c) => c.greet().frame(8, 0, 0, u32(0)), "GOAWAY 1"],
  "6.9 WINDOW_UPDATE of 0 on a stream": [(c) => c.greet().request(1, { end: false }).frame(8, 0, 1, u32(0)), "RST 1 1"],
  "6.9.1 the connection's window over 2^31-1": [(c) => c.greet().frame(8, 0, 0, u32(2 ** 31 - 1)), "GOAWAY 3"],
  "6.9.1 a stream's window over 2^31-1": [
    (c) => c.greet().request(1, { end: false }).frame(8, 0, 1, u32(2 ** 31 - 1)),
    "RST 1 3",
  ],
  "6.10 CONTINUATION without HEADERS": [(c) => c.greet().frame(9, 4, 1, []), "GOAWAY 1"],
  "8.1 trailers without an end": [
    (c) => c.greet().request(1, { end: false }).request(1, { end: false, fields: [["x", "y"]] }),
    "RST 1 1",
  ],
  "8.1.1 a body longer than announced": [
    (c) => c.greet().request(1, { end: false, fields: withField("content-length", "1") }).frame(0, 0, 1, [1, 2]),
    "RST 1 1",
  ],
  "8.1.1 a body shorter than announced": [
    (c) => c.greet().request(1, { end: false, fields: withField("content-length", "3") }).frame(0, 1, 1, [1, 2]),
    "RST 1 1",
  ],
  "8.2 a name in upper case": [(c) => c.greet().request(1, { fields: withField("Upper", "1") }), "RST 1 1"],
  "8.2.2 connection": [(c) => c.greet().request(1, { fields: withField("connection", "close") }), "RST 1 1"],
  "8.2.2 te with another value": [(c) => c.greet().request(1, { fields: withField("te", "gzip") }), "RST 1 1"],
  "8.3 an unknown pseudo-header": [(c) => c.greet().request(1, { fields: withField(":x", "1") }), "RST 1 1"],
  "8.3 a pseudo-header behind a field": [
    (c) => c.greet().request(1, { fields: [["a", "b"], ...requestFields] }),
    "RST 1 1",
  ],
  "8.3.1 a pseudo-header twice": [
    (c) => c.greet().request(1, { fields: [[":path", "/"], ...requestFields] }),
    "RST 1 1",
  ],
  "8.3.1 no :path": [(c) => c.greet().request(1, { fields: requestFields.filter(([n]) => n !== ":path") }), "RST 1 1"],
  "8.3.1 an empty :path": [
    (c) => c.greet().request(1, { fields: requestFields.map(([n, v]) => [n, n === ":path" ? "" : v]) }),
    "RST 1 1",
  ],
};

Deno.test("Http2Connection.receive() answers what breaks RFC 9113 with the right error, and no bystander suffers", async (t) => {
  for (const [name, [act, expected]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const client = new RawClient({ onStream: () => {} });
      act(client);
      const heard = await client.heard();
      assert.ok(heard.includes(expected), `heard ${heard.join(", ")}`);
      assert.equal(client.closed, expected.startsWith("GOAWAY"));
    });
  }
});

Deno.test("Http2Connection.receive() takes what RFC 9113 allows: padding, priority, unknown frames and settings, split blocks", async () => {
  let got = 0;
  const client = new RawClient({
    onStream: (stream, fields) => {
      assert.deepEqual(fields, requestFields);
      stream.onData = (bytes, ended) => {
        got += bytes.length;
        if (ended) answerOk(stream);
      };
    },
  });
  client.greet().frame(4, 0, 0, [...settings(3, 9), ...settings(99, 1)]).frame(200, 7, 3, [1, 2]);
  const block = client.block(requestFields);
  client.frame(1, 0x28, 1, [2, 0, 0, 0, 0, 9, ...block.subarray(0, 3), 0, 0]);
  client.frame(9, 0, 1, block.subarray(3, 5)).frame(9, 0, 1, []).frame(9, 4, 1, block.subarray(5));
  client.frame(0, 0x8, 1, [3, 7, 0, 0, 0]).frame(0, 0x9, 1, [0, 7, 7]).frame(8, 0, 1, u32(5));
  client.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(await client.heard(), ["HEADERS 1", "PING 0"]);
  assert.equal(got, 3);
  assert.equal(client.closed, false);
});

Deno.test("Http2Connection.receive() is the same however the bytes are cut", async () => {
  const chunks: Uint8Array[] = [];
  const recorder = new RawClient();
  recorder.raw = (bytes) => {
    chunks.push(bytes);
    return recorder;
  };
  recorder.greet().request(1, { end: false }).frame(0, 1, 1, [1, 2, 3]).request(3).frame(6, 0, 0, Array(8).fill(1));
  const all = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
  for (const size of [1, 2, 7, 9, 10, 64, all.length]) {
    const client = new RawClient({
      onStream: (stream, _, ended) =>
        void (ended ? answerOk(stream) : stream.onData = (_b, e) => e && answerOk(stream)),
    });
    for (let at = 0; at < all.length; at += size) client.raw(all.subarray(at, at + size));
    assert.deepEqual(await client.heard(), ["HEADERS 1", "HEADERS 3", "PING 0"], `in pieces of ${size}`);
  }
});

Deno.test("Http2Connection bounds a block's CONTINUATIONs and the header list (CVE-2024-27316)", async () => {
  const flood = new RawClient();
  flood.greet().frame(1, 1, 1, [0x82]);
  for (let i = 0; i < http2Limits.continuationsMax + 1; i++) flood.frame(9, 0, 1, []);
  assert.deepEqual(await flood.heard(), ["GOAWAY 11"]);
  const large = new RawClient({ onStream: answerOk });
  const fields = [...requestFields, ...Array.from({ length: 900 }, (): Field => ["cookie", "x".repeat(60)])];
  const block = large.greet().block(fields);
  for (let at = 0; at < block.length; at += 16_000) {
    const last = at + 16_000 >= block.length;
    large.frame(at === 0 ? 1 : 9, (at === 0 ? 1 : 0) | (last ? 4 : 0), 1, block.subarray(at, at + 16_000));
  }
  large.request(3);
  assert.deepEqual(await large.heard(), ["RST 1 11", "HEADERS 3"]);
});

Deno.test("Http2Connection ends a connection that opens and resets streams without end (CVE-2023-44487)", async () => {
  const client = new RawClient({ onStream: () => {} }).greet();
  for (let i = 0; i < http2Limits.nuisanceBurst; i++) client.request(2 * i + 1).frame(3, 0, 2 * i + 1, u32(8));
  assert.equal(client.closed, false);
  client.now = 1000; // a second later so many more are fine
  for (let i = 0; i < http2Limits.nuisancePerSecond; i++) {
    client.request(10_001 + 2 * i).frame(3, 0, 10_001 + 2 * i, u32(8));
  }
  assert.equal(client.closed, false);
  client.request(90_001).frame(3, 0, 90_001, u32(8));
  assert.ok((await client.heard()).includes("GOAWAY 11"));
  assert.equal(client.connection.streams, 0);
});

Deno.test("Http2Connection refuses the stream over the announced number, untried", async () => {
  const client = new RawClient({ onStream: () => {}, concurrentStreamsMax: 2 }).greet();
  client.request(1).request(3).request(5);
  assert.deepEqual(await client.heard(), ["RST 5 7"]);
  assert.equal(client.connection.streams, 2);
});

Deno.test("Http2Stream.sendData() keeps within the windows of stream and connection, and goes on as they grow", async () => {
  const client = new RawClient({
    onStream: (stream) => {
      stream.sendHeaders([[":status", "200"]]);
      stream.sendData(new Uint8Array(100));
      stream.sendTrailers([["grpc-status", "0"]]);
    },
  });
  const data = () => client.frames.filter((frame) => frame.type === 0).map((frame) => frame.payload.length);
  client.greet().frame(4, 0, 0, settings(4, 30)).request(1);
  await settle();
  assert.deepEqual(data(), [30]);
  client.frame(8, 0, 1, u32(10));
  await settle();
  assert.deepEqual(data(), [30, 10]);
  client.frame(4, 0, 0, settings(4, 20)); // 10 less: the window is now -10
  client.frame(8, 0, 1, u32(15));
  await settle();
  assert.deepEqual(data(), [30, 10, 5]);
  client.frame(8, 0, 1, u32(1000));
  assert.deepEqual(await client.heard(), ["HEADERS 1", ...Array(4).fill("DATA 1"), "HEADERS 1"]);
  assert.equal(data().reduce((sum, each) => sum + each, 0), 100);
  assert.equal(client.connection.streams, 0);
});

Deno.test("Http2Stream.sendData() shares the connection's window among streams in turn", async () => {
  const client = new RawClient({
    onStream: (stream) => {
      stream.sendHeaders([[":status", "200"]]);
      stream.sendData(new Uint8Array(1_000_000), true);
    },
  });
  client.greet().frame(4, 0, 0, settings(4, 2 ** 30)).request(1).request(3);
  await settle();
  client.frame(8, 0, 0, u32(16_384 * 4));
  await settle();
  const late = client.frames.filter((frame) => frame.type === 0).slice(-4).map((frame) => frame.streamId);
  assert.deepEqual([...late].sort(), [1, 1, 3, 3]);
});

Deno.test("Http2Connection: client and server exchange bodies and trailers of any size under flow control (seeded)", async () => {
  const random = prng(5);
  const { client, server } = connectedPair({
    onStream: (stream) => {
      stream.sendHeaders([[":status", "200"]]);
      stream.onData = (bytes, ended) => {
        stream.taken(bytes.length);
        if (bytes.length > 0) stream.sendData(bytes.slice());
        if (ended) stream.sendTrailers([["grpc-status", "0"]]);
      };
    },
  });
  await settle();
  const calls = Array.from({ length: 30 }, () => {
    const sent = random.int(300_000);
    return new Promise<[number, number, string]>((resolve) => {
      let received = 0;
      const stream = client.open(requestFields, false);
      stream.onData = (bytes) => {
        received += bytes.length;
        stream.taken(bytes.length);
      };
      stream.onHeaders = (fields, ended) => ended && resolve([sent, received, fields.join()]);
      for (let left = sent; left > 0;) {
        const part = Math.min(left, 1 + random.int(70_000));
        stream.sendData(new Uint8Array(part));
        left -= part;
      }
      stream.sendData(new Uint8Array(0), true);
    });
  });
  for (const [sent, received, trailers] of await Promise.all(calls)) {
    assert.deepEqual([received, trailers], [sent, "grpc-status,0"]);
  }
  assert.deepEqual([client.streams, server.streams], [0, 0]);
});

Deno.test("Http2Connection.drain() finishes what runs, refuses what comes, and then closes both ends in order", async () => {
  const streams: Http2Stream[] = [];
  let serverEnd: Error | null | undefined;
  let clientEnd: Error | null | undefined;
  let goAway = 0;
  const { client, server } = connectedPair(
    { onStream: (stream) => void streams.push(stream), onClose: (error) => void (serverEnd = error) },
    { onClose: (error) => void (clientEnd = error), onGoAway: () => void goAway++ },
  );
  await settle();
  const running = client.open(requestFields, true);
  let status = "";
  running.onHeaders = (fields) => void (status = fields.join());
  await settle();
  server.drain();
  const late = client.open(requestFields, true);
  let code = -1;
  late.onReset = (reason) => void (code = reason);
  await settle();
  assert.deepEqual([goAway, client.canOpen, code], [1, false, 7]);
  streams[0]?.sendHeaders([[":status", "200"]], true);
  await settle();
  assert.equal(status, ":status,200");
  assert.deepEqual([serverEnd, clientEnd], [null, null]);
});

Deno.test("Http2Connection.ended() tells every open stream", async () => {
  const { client, server } = connectedPair({ onStream: () => {} });
  await settle();
  const codes: number[] = [];
  for (let i = 0; i < 3; i++) client.open(requestFields, false).onReset = (code) => void codes.push(code);
  client.ended(new Error("reset by peer"));
  assert.deepEqual(codes, [8, 8, 8]);
  server.close();
});

Deno.test("Http2Connection.receive() survives any bytes: it never throws, and forgets every stream in the end (seeded)", async () => {
  let goAways = 0;
  let opened = 0;
  for (let seed = 0; seed < 400; seed++) {
    const random = prng(seed);
    const noise = (length: number) => Uint8Array.from({ length }, () => random.int(256));
    const client = new RawClient({
      onStream: (stream, _, ended) => {
        opened++;
        stream.onData = (bytes, end) => {
          stream.taken(bytes.length);
          if (end) answerOk(stream);
          else if (random.int(3) === 0) stream.reset();
        };
        if (ended) stream.sendData(new Uint8Array(random.int(100_000)), true);
      },
    }).greet();
    let streamId = -1;
    const withBody: number[] = [];
    for (let i = 0; i < 40 && !client.closed; i++) {
      const id = withBody[random.int(withBody.length || 1)] ?? 1;
      const end = random.int(2) === 0;
      switch (random.int(8)) {
        case 0:
        case 1:
          client.request(streamId += 2, { end });
          if (!end) withBody.push(streamId);
          break;
        case 2:
          if (withBody.length > 0) client.frame(0, end ? 1 : 0, id, Array(random.int(50)).fill(1));
          if (end) withBody.splice(withBody.indexOf(id), 1);
          break;
        case 3:
          client.frame(8, 0, streamId > 0 && end ? id : 0, u32(1 + random.int(2 ** 20)));
          break;
        case 4:
          if (streamId > 0 && end) client.frame(3, 0, id, u32(random.int(12)));
          break;
        case 5:
          client.frame(4, 0, 0, settings([1, 3, 4, 8][random.int(4)] as number, random.int(2 ** 18)));
          break;
        case 6:
          if (random.int(12) !== 0) break;
          client.frame(random.int(12), random.int(256), random.int(6), noise(random.int(30)));
          break;
        default:
          if (random.int(60) === 0) client.raw(noise(random.int(40)));
          await Promise.resolve();
      }
    }
    await settle(10);
    if (client.closed) goAways++;
    client.connection.ended();
    assert.equal(client.connection.streams, 0);
  }
  assert.ok(goAways > 100 && goAways < 400 && opened > 2_000, `${goAways} of 400 ended by GOAWAY, ${opened} streams`);
});
