import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { SpdyConnection, type SpdyStream } from "./connection.ts";
import { adler32, headerDictionary } from "./dictionary.ts";
import { controlFrame, dataFrame, flagFin, FrameReader, frameTypes, type RawFrame, SpdyError } from "./frames.ts";
import { HeaderDecoder, HeaderEncoder } from "./header_block.ts";
import { maxStreams, maxUnreadBytes } from "./limits.ts";

/** The client's end, with zlib itself for the headers, in memory. */
class Client {
  readonly frames: RawFrame[] = [];
  readonly server: SpdyConnection;
  readonly done: Promise<void>;
  readonly #reader = new FrameReader();
  readonly #queue: (Uint8Array | null)[] = [];
  #wake = () => {};
  reads = 0;

  constructor(accept: (stream: SpdyStream) => boolean) {
    this.server = new SpdyConnection({
      read: async () => {
        while (this.#queue.length === 0) await new Promise<void>((resolve) => void (this.#wake = resolve));
        this.reads++;
        return this.#queue.shift() ?? null;
      },
      write: (bytes) => {
        this.frames.push(...this.#reader.push(bytes));
        return Promise.resolve();
      },
      close: () => {},
    }, accept);
    this.done = this.server.run();
  }

  send(bytes: Uint8Array | null): void {
    this.#queue.push(bytes);
    this.#wake();
  }

  /** Stream 1, with the headers `streamtype: stdin`. */
  open(): void {
    this.send(controlFrame(frameTypes.synStream, 0, 1, 0, Uint8Array.of(0, 0), zlibBlocks[0] ?? new Uint8Array(0)));
  }
}

/** What zlib 1.3 makes of two header blocks in one stream, with the dictionary, each followed by a sync flush. */
const zlibBlocks = [
  "78bbe3c6a7c26260606004a7b392a2d4c45c6851c25a5c92929907000000ffff",
  "02a5470c295029930829b08bc079c3c2c0c280818181b30812c199a084cf6800000000ffff",
].map((hex) => Uint8Array.fromHex(hex));

async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

Deno.test("the header dictionary is SPDY/3's, by its checksum", () => {
  assert.equal(headerDictionary.length, 1423);
  assert.equal(adler32(headerDictionary), 0xe3c6a7c2);
});

Deno.test("HeaderDecoder reads zlib's stream, block by block", () => {
  const decoder = new HeaderDecoder();
  const read = zlibBlocks.map((block) => Object.fromEntries(decoder.decode(block)));
  assert.deepEqual(read, [{ streamtype: "stdin" }, { streamtype: "data", port: "8080", requestid: "0" }]);
});

Deno.test("HeaderEncoder writes one zlib stream of stored blocks, which HeaderDecoder reads", () => {
  const encoder = new HeaderEncoder();
  const blocks = [new Map([["a", "b"]]), new Map(), new Map([["streamtype", "error"], ["port", "80"]])];
  const encoded = blocks.map((block) => encoder.encode(block));
  // Zlib with the dictionary's checksum, then a stored block: length, its complement, the text; and a flush.
  assert.equal(encoded[0]?.toHex(), "78bbe3c6a7c2000e00f1ff" + "00000001" + "0000000161" + "0000000162" + "000000ffff");
  const decoder = new HeaderDecoder();
  assert.deepEqual(encoded.map((each) => decoder.decode(each)), blocks);
});

Deno.test("SpdyConnection opens a stream as Go's client does, carries data both ways, and ends each half", async () => {
  const opened: SpdyStream[] = [];
  const client = new Client((stream) => opened.push(stream) > 0);
  client.open();
  await turns();
  const [stream] = opened;
  assert.ok(stream !== undefined);
  assert.equal(stream.headers.get("streamtype"), "stdin");
  client.send(dataFrame(1, 0, utf8("hello ")));
  client.send(dataFrame(1, flagFin, utf8("there")));
  assert.equal(fromUtf8((await stream.read()) ?? new Uint8Array()), "hello ");
  assert.equal(fromUtf8((await stream.read()) ?? new Uint8Array()), "there");
  assert.equal(await stream.read(), null);
  await stream.write(new Uint8Array(100_000));
  await stream.end();
  const data = client.frames.filter((frame) => frame.kind === "data");
  assert.deepEqual(data.map((frame) => frame.payload.length), [32768, 32768, 32768, 1696, 0]);
  assert.equal(data.at(-1)?.flags, flagFin);
  client.send(controlFrame(frameTypes.ping, 0, 7));
  await turns();
  const ping = client.frames.at(-1);
  assert.ok(ping?.kind === "control" && ping.type === frameTypes.ping && ping.payload[3] === 7);
  client.send(null);
  await client.done;
});

Deno.test("SpdyConnection reads no further while a stream's reader is behind", async () => {
  const opened: SpdyStream[] = [];
  const client = new Client((stream) => opened.push(stream) > 0);
  client.open();
  const chunk = new Uint8Array(256 * 1024);
  for (let i = 0; i < 20; i++) client.send(dataFrame(1, 0, chunk));
  await turns(200);
  const before = client.reads;
  assert.ok(before <= 2 + maxUnreadBytes / chunk.length, `${before} reads`);
  for (let i = 0; i < 5; i++) await opened[0]?.read();
  await turns(200);
  assert.ok(client.reads > before);
  client.server.close();
  client.send(null);
  await client.done;
});

Deno.test("SpdyConnection answers nonsense with GOAWAY and ends every stream", async () => {
  const opened: SpdyStream[] = [];
  const client = new Client((stream) => opened.push(stream) > 0);
  client.open();
  client.send(controlFrame(frameTypes.synStream, 0, 3, 0, Uint8Array.of(0, 0), Uint8Array.of(0xff, 0xff, 0xff)));
  await client.done;
  assert.equal(await opened[0]?.read(), null);
  assert.equal(opened[0]?.isReset, true);
  const last = client.frames.at(-1);
  assert.ok(last?.kind === "control" && last.type === frameTypes.goaway);
});

Deno.test("SpdyConnection refuses streams beyond its bound, and those that nobody takes", async () => {
  const encoder = new HeaderEncoder();
  let count = 0;
  const client = new Client(() => ++count !== 2);
  for (let i = 0; i <= maxStreams + 1; i++) {
    client.send(controlFrame(frameTypes.synStream, 0, 2 * i + 1, 0, Uint8Array.of(0, 0), encoder.encode(new Map())));
  }
  client.send(null);
  await client.done;
  const resets = client.frames.filter((frame) => frame.kind === "control" && frame.type === frameTypes.rstStream);
  assert.deepEqual([resets.length, count], [2, maxStreams + 1]);
});

Deno.test("FrameReader and HeaderDecoder throw SpdyError or nothing for 4,000 mutated inputs, in any pieces", () => {
  const random = prng(20_261_126);
  const good = concatBytes([
    controlFrame(
      frameTypes.synStream,
      0,
      1,
      0,
      Uint8Array.of(0, 0),
      new HeaderEncoder().encode(new Map([["streamtype", "error"]])),
    ),
    dataFrame(1, 0, utf8("some data")),
    controlFrame(frameTypes.rstStream, 0, 1, 5),
  ]);
  let errors = 0;
  for (let round = 0; round < 4_000; round++) {
    const bytes = good.slice();
    for (let i = random.int(4); i >= 0; i--) bytes[random.int(bytes.length)] = random.int(256);
    const reader = new FrameReader();
    const decoder = new HeaderDecoder();
    try {
      for (let at = 0; at < bytes.length;) {
        const size = 1 + random.int(40);
        for (const frame of reader.push(bytes.subarray(at, at + size))) {
          if (frame.kind === "control" && frame.type === frameTypes.synStream) {
            decoder.decode(frame.payload.subarray(10));
          }
        }
        at += size;
      }
    } catch (error) {
      assert.ok(error instanceof SpdyError, String(error));
      errors++;
    }
  }
  assert.ok(errors > 400, `${errors} of 4,000 refused`);
});
