/** msgpack of API objects, loaded on first use: a JSON client (scheduler, controllers, CLI) never pays for it. */
export interface MsgpackCodec {
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

export async function loadMsgpack(): Promise<MsgpackCodec> {
  const { decodeMsgpack, encodeMsgpack } = await import("../api/codec/msgpack.ts");
  return { encode: encodeMsgpack, decode: decodeMsgpack };
}
