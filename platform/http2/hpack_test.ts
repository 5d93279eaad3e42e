import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import { HpackDecoder, HpackEncoder, HpackError } from "./hpack.ts";
import { DynamicTable, type Field, fieldSize, staticTable } from "./hpack_table.ts";
import { decodeHuffman, encodeHuffman } from "./huffman.ts";

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

const request: Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];

Deno.test("HpackDecoder.decode() reads the requests of RFC 7541 C.4, whose later blocks lean on the earlier ones' table", () => {
  const decoder = new HpackDecoder(4096);
  assert.deepEqual(decoder.decode(hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), 1e6), request);
  const second = decoder.decode(hex("8286 84be 5886 a8eb 1064 9cbf"), 1e6);
  assert.deepEqual(second, [...request, ["cache-control", "no-cache"]]);
  const third = decoder.decode(hex("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"), 1e6);
  assert.deepEqual(third, [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ]);
});

Deno.test("HpackDecoder.decode() evicts as RFC 7541 C.6 does with a table of 256 bytes", () => {
  const decoder = new HpackDecoder(256);
  const first = decoder.decode(
    hex(
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    ),
    1e6,
  );
  assert.deepEqual(first, [
    [":status", "302"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ]);
  assert.deepEqual(decoder.decode(hex("4883 640e ffc1 c0bf"), 1e6)?.[0], [":status", "307"]);
  const third = decoder.decode(
    hex(
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ),
    1e6,
  );
  assert.deepEqual(third?.at(-1), ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"]);
});

Deno.test("HpackDecoder.decode() refuses what is no block", () => {
  const bad = {
    "index 0": "80",
    "an index beyond both tables": "be",
    "a text longer than the block": "40 05 61",
    "an integer without an end": "ff ff ff ff ff ff ff ff ff ff",
    "an integer too large": "ff ff ff ff ff 0f",
    "a table over the bound": "3f e2 1f",
    "a table's size in the middle": "82 20",
    "the end-of-string symbol": "40 84 ff ff ff ff 00",
    "padding of zeros": "40 81 00 00",
    "a name without a value": "40 01 61",
  };
  for (const [what, block] of Object.entries(bad)) {
    assert.throws(() => new HpackDecoder(4096).decode(hex(block), 1e6), HpackError, what);
  }
});

Deno.test("HpackDecoder.decode() answers null for a list over the bound, and its table stays in step", () => {
  const [encoder, decoder] = [new HpackEncoder(4096), new HpackDecoder(4096)];
  const long: Field[] = [["a", "x".repeat(100)], ["b", "y".repeat(100)]];
  assert.equal(decoder.decode(encoder.encode(long), 150), null);
  assert.deepEqual(decoder.decode(encoder.encode(long), 1e6), long);
});

Deno.test("HpackEncoder.encode() gives a repeated field one byte, and never lets a secret into a table", () => {
  const encoder = new HpackEncoder(4096);
  encoder.encode([["content-type", "application/grpc"]]);
  assert.equal(encoder.encode([["content-type", "application/grpc"]]).length, 1);
  const first = encoder.encode([["authorization", "secret"]]);
  assert.deepEqual(encoder.encode([["authorization", "secret"]]), first);
  assert.equal((first[0] as number) & 0xf0, 0x10);
});

Deno.test("HpackEncoder and HpackDecoder agree on any fields while the table's size changes (seeded)", () => {
  const random = prng(11);
  for (let run = 0; run < 40; run++) {
    const encoder = new HpackEncoder(4096);
    const decoder = new HpackDecoder(4096);
    const names = ["content-type", "grpc-status", "x", ":path", "authorization", "grpc-message"];
    for (let block = 0; block < 60; block++) {
      for (let i = random.int(3); i > 0 && block % 7 === 0; i--) {
        encoder.allow(random.int(5) === 0 ? 0 : random.int(6000));
      }
      const fields = Array.from({ length: random.int(8) }, (): Field => {
        const value = Array.from({ length: random.int(40) }, () => String.fromCharCode(random.int(256))).join("");
        const name = names[random.int(names.length)] as string;
        return [name, random.int(2) === 0 ? `v${random.int(6)}` : value];
      });
      assert.deepEqual(decoder.decode(encoder.encode(fields), 1e6), fields);
    }
  }
});

Deno.test("decodeHuffman() gives back what encodeHuffman() made of any bytes", () => {
  const random = prng(3);
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(decodeHuffman(encodeHuffman(all)), all);
  for (let i = 0; i < 500; i++) {
    const text = Uint8Array.from({ length: random.int(60) }, () => random.int(256));
    assert.deepEqual(decodeHuffman(encodeHuffman(text)), text);
  }
});

Deno.test("DynamicTable.add() keeps the size within its bound and tells what it evicts, by serial number", () => {
  const evicted: number[] = [];
  const table = new DynamicTable(100, (_, serial) => evicted.push(serial));
  for (let i = 0; i < 4; i++) table.add(["n", String(i)]);
  assert.deepEqual(evicted, [0, 1]);
  assert.deepEqual([table.get(0), table.get(1), table.get(2)], [["n", "3"], ["n", "2"], undefined]);
  table.add(["n", "x".repeat(200)]);
  assert.deepEqual([evicted, table.get(0)], [[0, 1, 2, 3], undefined]);
  assert.equal(staticTable.length, 61);
  assert.equal(fieldSize(["ab", "c"]), 35);
});
