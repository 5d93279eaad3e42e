import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { createLog } from "../log.ts";
import type { Timers } from "../mod.ts";
import { connectedPair, RawClient, requestFields, settle } from "../http2/testing.ts";
import { GrpcClient } from "./client.ts";
import { frameMessage, MessageReader } from "./framing.ts";
import { grpcLimits } from "./limits.ts";
import { grpcHandler, type GrpcMethod, type GrpcMethods, type GrpcStream } from "./server.ts";
import { decodeGrpcMessage, encodeGrpcMessage, grpcCode, GrpcError, parseGrpcTimeout } from "./status.ts";

/** Timers that fire when told. */
function manualTimers(): { timers: Timers; fire: (delayMs: number) => void; waiting: () => number } {
  const due = new Map<object, { delayMs: number; run: () => void }>();
  const timers: Timers = {
    schedule(delayMs, run) {
      const timer = { cancel: () => void due.delete(timer) };
      due.set(timer, { delayMs, run });
      return timer;
    },
    sleep: () => Promise.reject(new Error("not used")),
  };
  const fire = (delayMs: number) => {
    for (const [timer, each] of [...due]) {
      if (each.delayMs !== delayMs || !due.delete(timer)) continue;
      each.run();
    }
  };
  return { timers, fire, waiting: () => due.size };
}

const lines: string[] = [];
const log = createLog({ component: "test", level: "debug", now: () => 0, sink: (line) => void lines.push(line) });

function start(methods: GrpcMethods) {
  const server = manualTimers();
  const client = manualTimers();
  const handler = grpcHandler(methods, { timers: server.timers, log });
  let dials = 0;
  const grpc = new GrpcClient({ address: "tcp:there:1" }, {
    timers: client.timers,
    dial: (_, { onClose }) => {
      dials++;
      const pair = connectedPair(
        { onStream: (stream, fields, ended) => handler(stream, fields, ended, null) },
        onClose === undefined ? {} : { onClose },
      );
      ends.push(pair);
      return Promise.resolve(pair.client);
    },
  });
  const ends: ReturnType<typeof connectedPair>[] = [];
  return { grpc, server, client, dials: () => dials, ends };
}

const echo: GrpcMethod = { kind: "unary", handle: (request) => Promise.resolve(request) };
const methodsOf = (...entries: [string, GrpcMethod][]): GrpcMethods => new Map(entries);
const stream = (open: (call: GrpcStream) => void): GrpcMethod => ({ kind: "stream", open });

async function failure(call: Promise<unknown>): Promise<[number, string]> {
  const error = await call.then(() => null, (reason) => reason);
  assert.ok(error instanceof GrpcError, String(error));
  return [error.code, error.message];
}

Deno.test("GrpcClient.unary() gets the answer of a unary method, whatever its size, on one connection", async () => {
  const { grpc, server, client, dials } = start(methodsOf(["/t.S/Echo", echo]));
  assert.equal(fromUtf8(await grpc.unary("/t.S/Echo", utf8("hello"), 1000)), "hello");
  assert.equal((await grpc.unary("/t.S/Echo", new Uint8Array(0), 1000)).length, 0);
  const large = new Uint8Array(grpcLimits.requestBytesMax).fill(7);
  assert.deepEqual(await grpc.unary("/t.S/Echo", large, 1000), large);
  assert.deepEqual([dials(), server.waiting(), client.waiting()], [1, 0, 0]);
  grpc.close();
});

Deno.test("grpcHandler() answers errors with their code and text, and unknown methods and services in grpc-go's words", async () => {
  const refuse = () => Promise.reject(new GrpcError(grpcCode.outOfRange, "100 % zu groß"));
  const crash = () => Promise.reject(new TypeError("a bug"));
  const { grpc } = start(
    methodsOf(["/t.S/Refuse", { kind: "unary", handle: refuse }], ["/t.S/Crash", { kind: "unary", handle: crash }]),
  );
  const call = (path: string) => failure(grpc.unary(path, utf8("x"), 1000));
  assert.deepEqual(await call("/t.S/Refuse"), [11, "100 % zu groß"]);
  assert.deepEqual(await call("/t.S/Crash"), [13, "internal error"]);
  assert.ok(lines.some((line) => line.includes("a bug")));
  assert.deepEqual(await call("/t.S/None"), [12, "unknown method None for service t.S"]);
  assert.deepEqual(await call("/t.None/Get"), [12, "unknown service t.None"]);
  grpc.close();
});

Deno.test("grpcHandler() refuses a message over the bound, a compressed one, and a unary call with two or none", async () => {
  const handler = grpcHandler(methodsOf(["/t.S/Echo", echo]), { timers: manualTimers().timers, log });
  const fields = [...requestFields.filter(([name]) => name !== ":path"), [":path", "/t.S/Echo"], [
    "content-type",
    "application/grpc",
  ]] as const;
  const bodies: [Uint8Array, string][] = [
    [Uint8Array.from([0, 0x7f, 0, 0, 0]), "8 grpc: received message larger than max (2130706432 vs. 2097152)"],
    [Uint8Array.from([1, 0, 0, 0, 1, 9]), "12 grpc: compressed messages are not supported"],
    [Uint8Array.from([...frameMessage(utf8("a")), ...frameMessage(utf8("b"))]), "13 a unary call takes one message"],
    [new Uint8Array(0), "13 a unary call takes one message"],
    [Uint8Array.from([0, 0, 0, 0, 5, 1]), "13 unexpected EOF"],
  ];
  for (const [body, expected] of bodies) {
    const client = new RawClient({ onStream: (each, list, ended) => handler(each, list, ended, null) }).greet();
    client.request(1, { end: false, fields }).frame(0, 1, 1, body);
    await settle();
    const answer = new Map(client.headers(client.frames.find((frame) => frame.type === 1)?.payload ?? utf8("")));
    assert.equal(`${answer.get("grpc-status")} ${answer.get("grpc-message")}`, expected);
  }
  const client = new RawClient({ onStream: (each, list, ended) => handler(each, list, ended, null) }).greet();
  client.request(1, { fields: requestFields });
  await settle();
  const answer = client.headers(client.frames.find((frame) => frame.type === 1)?.payload ?? utf8(""));
  assert.deepEqual(answer, [[":status", "415"]]);
});

Deno.test("grpcHandler() ends a call at the client's deadline and tells its handler", async () => {
  let signal: AbortSignal | null = null;
  const hang: GrpcMethod = {
    kind: "unary",
    handle: (_, context) => {
      signal = context.signal;
      return new Promise(() => {});
    },
  };
  const { grpc, server, client } = start(methodsOf(["/t.S/Hang", hang]));
  const atServer = failure(grpc.unary("/t.S/Hang", utf8("x"), 250));
  await settle();
  server.fire(250);
  assert.deepEqual(await atServer, [4, "context deadline exceeded"]);
  assert.equal(signal !== null && (signal as AbortSignal).aborted, true);
  const atClient = failure(grpc.unary("/t.S/Hang", utf8("x"), 300));
  await settle();
  client.fire(300);
  assert.deepEqual(await atClient, [4, "no answer within 300 ms"]);
  await settle();
  assert.equal((signal as unknown as AbortSignal).aborted, true, "the client's cancellation reaches the handler");
  grpc.close();
});

Deno.test("GrpcClient.stream() carries messages both ways until either end is done; a cancelled call aborts its handler", async () => {
  const aborted: string[] = [];
  const { grpc } = start(methodsOf([
    "/t.S/Double",
    stream((call) => {
      call.signal.addEventListener("abort", () => aborted.push(call.metadata.get("name") ?? ""));
      call.onMessage = (message) => [message, message].forEach((each) => call.send(each));
      call.onEnd = () => call.end();
    }),
  ]));
  const got: string[] = [];
  const ended = Promise.withResolvers<GrpcError | null>();
  const answers = { onMessage: (message: Uint8Array) => void got.push(fromUtf8(message)), onEnd: ended.resolve };
  const call = await grpc.stream("/t.S/Double", answers, 1000);
  call.send(utf8("a"));
  await settle();
  call.send(utf8("b"));
  call.end();
  assert.equal(await ended.promise, null);
  assert.deepEqual(got, ["a", "a", "b", "b"]);
  const second = await grpc.stream("/t.S/Double", { onMessage: () => {}, onEnd: () => assert.fail("cancelled") }, 1000);
  await settle();
  second.cancel();
  await settle();
  assert.equal(aborted.length, 2);
  grpc.close();
});

Deno.test("GrpcClient dials again after its connection was lost; what was under way is Unavailable, of unknown outcome", async () => {
  const { grpc, ends, dials } = start(
    methodsOf(["/t.S/Echo", echo], ["/t.S/Hang", { kind: "unary", handle: () => new Promise(() => {}) }]),
  );
  const lost = grpc.unary("/t.S/Hang", utf8("x"), 1000).catch((error) => error);
  await settle();
  ends[0]?.client.ended(new Error("reset"));
  const error = await lost;
  assert.deepEqual([error.code, error.notSent], [grpcCode.unavailable, false]);
  assert.equal(fromUtf8(await grpc.unary("/t.S/Echo", utf8("again"), 1000)), "again");
  assert.equal(dials(), 2);
  grpc.close();
});

Deno.test("GrpcClient says `notSent` when it cannot connect", async () => {
  const { timers } = manualTimers();
  const grpc = new GrpcClient({ address: "tcp:there:1" }, { timers, dial: () => Promise.reject(new Error("refused")) });
  const error = await grpc.unary("/t.S/Echo", utf8("x"), 100).catch((reason) => reason);
  assert.deepEqual([error.code, error.notSent, error.message], [grpcCode.unavailable, true, "refused"]);
});

Deno.test("encodeGrpcMessage() percent-encodes what is not printable ASCII, and decodeGrpcMessage() takes anything", () => {
  assert.equal(encodeGrpcMessage("a%b é\n"), "a%25b %C3%A9%0A");
  for (const text of ["etcdserver: no leader", "100 % ü 😀", ""]) {
    assert.equal(decodeGrpcMessage(encodeGrpcMessage(text)), text);
  }
  assert.equal(decodeGrpcMessage("50%"), "50%");
  assert.equal(decodeGrpcMessage("%zz%4"), "%zz%4");
});

Deno.test("parseGrpcTimeout() reads every unit", () => {
  const read = ["2H", "1M", "3S", "100m", "5000u", "1000000n"].map(parseGrpcTimeout);
  assert.deepEqual(read, [7_200_000, 60_000, 3_000, 100, 5, 1]);
  assert.deepEqual(["", "1", "m", "1x", "123456789m", "99999999H"].map(parseGrpcTimeout), Array(6).fill(undefined));
});

Deno.test("MessageReader.push() puts messages together however they are cut", () => {
  const all = [utf8("one"), utf8(""), utf8("three")];
  const bytes = Uint8Array.from(all.flatMap((message) => [...frameMessage(message)]));
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new MessageReader(10);
    const got: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      reader.push(bytes.subarray(at, at + size), (m) => got.push(fromUtf8(m)));
    }
    assert.deepEqual([got, reader.idle], [["one", "", "three"], true], `in pieces of ${size}`);
  }
});
