/** A message that breaks the protobuf wire format. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

/** A field as it stands on the wire: a varint or fixed number, or the bytes of anything longer. */
export type WireField = { readonly number: number; readonly value: bigint | Uint8Array };

/** The fields of one message, in order. Every length is checked against what is there. @throws ProtobufError */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new ProtobufError("unexpected EOF");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError("proto: integer overflow");
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new ProtobufError("unexpected EOF");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    if (number === 0) throw new ProtobufError("proto: illegal tag 0");
    switch (tag & 7n) {
      case 0n:
        yield { number, value: varint() };
        break;
      case 1n:
        yield { number, value: take(8) };
        break;
      case 2n: {
        const length = varint();
        if (length > BigInt(bytes.length)) throw new ProtobufError("unexpected EOF");
        yield { number, value: take(Number(length)) };
        break;
      }
      case 5n:
        yield { number, value: take(4) };
        break;
      default:
        throw new ProtobufError(`proto: wrong wireType = ${tag & 7n}`);
    }
  }
}
