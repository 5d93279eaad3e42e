import assert from "node:assert/strict";
import { prng } from "./prng.ts";
import { protobufCodec, ProtobufError } from "./protobuf.ts";

const codec = protobufCodec({
  Inner: { name: [1, "string"], count: [2, "int64"] },
  Outer: {
    key: [1, "bytes"],
    revision: [2, "int64"],
    ok: [3, "bool"],
    id: [4, "id64"],
    member: [5, "uid64"],
    inner: [6, "Inner"],
    inners: [7, "repeated Inner"],
    kinds: [8, "repeated enum"],
    names: [9, "repeated string"],
    hash: [10, "uint32"],
    far: [64, "bytes"],
    child: [65, "Outer"],
  },
});

const bytes = (...values: number[]) => Uint8Array.from(values);

Deno.test("protobufCodec() writes proto3's own bytes: zero values and absent fields take none", () => {
  assert.deepEqual(codec.encode("Outer", {}), bytes());
  assert.deepEqual(codec.encode("Outer", { key: bytes(), revision: 0, ok: false, id: 0n, inners: [] }), bytes());
  assert.deepEqual(codec.encode("Outer", { revision: 150 }), bytes(0x10, 0x96, 0x01));
  assert.deepEqual(codec.encode("Outer", { inner: {} }), bytes(0x32, 0x00));
  assert.deepEqual(codec.encode("Outer", { key: bytes(7), ok: true }), bytes(0x0a, 0x01, 0x07, 0x18, 0x01));
  assert.deepEqual(codec.encode("Outer", { far: bytes(1) }), bytes(0x82, 0x04, 0x01, 0x01));
  const minusOne = bytes(0x10, ...Array(9).fill(0xff), 0x01);
  assert.deepEqual(codec.encode("Outer", { revision: -1 }), minusOne);
  assert.equal(codec.decode("Outer", minusOne).revision, -1);
});

Deno.test("protobufCodec() reads packed and unpacked lists, skips fields it does not know, keeps all 64 bits of an id", () => {
  assert.deepEqual(codec.decode("Outer", bytes(0x42, 0x02, 0x00, 0x01)).kinds, [0, 1]);
  assert.deepEqual(codec.decode("Outer", bytes(0x40, 0x00, 0x40, 0x01)).kinds, [0, 1]);
  const unknown = bytes(
    0xf8,
    0x06,
    0x05,
    0xf9,
    0x06,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    0xfa,
    0x06,
    0x01,
    0x09,
    0xfd,
    0x06,
    1,
    2,
    3,
    4,
  );
  assert.deepEqual(codec.decode("Outer", unknown), codec.decode("Outer", bytes()));
  const id = -(2n ** 63n);
  const member = 2n ** 64n - 1n;
  const message = codec.decode("Outer", codec.encode("Outer", { id, member }));
  assert.deepEqual([message.id, message.member], [id, member]);
});

Deno.test("protobufCodec() cuts an int64 beyond the safe integers to the largest of them", () => {
  const over = codec.encode("Outer", { id: 2n ** 62n }).slice();
  over[0] = 0x10; // the same varint as `revision`
  assert.equal(codec.decode("Outer", over).revision, Number.MAX_SAFE_INTEGER);
});

Deno.test("protobufCodec() gives every message lists of its own", () => {
  const first = codec.decode("Outer", codec.encode("Outer", { names: ["a", "b"] }));
  assert.deepEqual(first.names, ["a", "b"]);
  assert.deepEqual(codec.decode("Outer", bytes()).names, []);
});

Deno.test("protobufCodec() refuses what is cut off, groups, endless varints, and messages nested too deep", () => {
  const bad = [
    bytes(0x0a, 0x05, 0x01),
    bytes(0x10, ...Array(10).fill(0x80), 0x01),
    bytes(0x0b),
    bytes(0x12 + 1, 0x00),
    bytes(0x32, 0x02, 0x0a, 0x05),
    bytes(0x80),
  ];
  for (const each of bad) assert.throws(() => codec.decode("Outer", each), ProtobufError, String(each));
  let deep: Uint8Array = bytes();
  for (let i = 0; i < 300; i++) deep = bytes(0x8a, 0x04, ...lengthOf(deep), ...deep);
  assert.throws(() => codec.decode("Outer", deep), /nested more than 200 deep/);
});

function lengthOf(content: Uint8Array): number[] {
  return content.length < 128 ? [content.length] : [(content.length & 0x7f) | 0x80, content.length >> 7];
}

Deno.test("protobufCodec() decodes what it encoded, and takes any bytes at all without another error than its own (seeded)", () => {
  const random = prng(7);
  const some = <T>(make: () => T): T[] => Array.from({ length: random.int(4) }, make);
  const noise = (max: number) => Uint8Array.from({ length: random.int(max) }, () => random.int(256));
  let refused = 0;
  for (let round = 0; round < 3_000; round++) {
    const message = {
      key: noise(300),
      revision: Math.floor((random.next() - 0.5) * 2 ** random.int(53)),
      ok: random.int(2) === 1,
      id: BigInt.asIntN(64, BigInt(random.int(2 ** 32)) << BigInt(random.int(33))),
      member: BigInt.asUintN(64, BigInt(random.int(2 ** 32)) << BigInt(random.int(33))),
      inner: { name: "n".repeat(random.int(200)), count: random.int(1000) },
      inners: some(() => ({ name: "é", count: random.int(9) - 4 })),
      kinds: some(() => random.int(3)),
      names: some(() => "x".repeat(random.int(3))),
      hash: random.int(2 ** 32),
      far: noise(3),
    };
    const encoded = codec.encode("Outer", { ...message, child: message });
    const { child, ...decoded } = codec.decode("Outer", encoded);
    assert.deepEqual({ ...child, child: undefined }, { ...message, child: undefined });
    assert.deepEqual(decoded, message);
    const broken = encoded.slice();
    for (let i = 0; i <= random.int(4); i++) broken[random.int(broken.length)] = random.int(256);
    try {
      codec.decode("Outer", broken.subarray(0, random.int(broken.length + 1)));
    } catch (error) {
      assert.ok(error instanceof ProtobufError, String(error));
      refused++;
    }
  }
  assert.ok(refused > 500, `only ${refused} of 3,000 broken messages were refused`);
});
