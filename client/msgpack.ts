/** msgpack of API objects, loaded on first use: a JSON client (scheduler, controllers, CLI) never pays for it. */
export interface MsgpackCodec {
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

export async function loadMsgpack(): Promise<MsgpackCodec> {
  const { decode, encode } = await import("@msgpack/msgpack");
  // An absent field and a field set to undefined are the same to JSON; keep it so here.
  return { encode: (value) => encode(value, { ignoreUndefined: true }), decode: (bytes) => decode(bytes) };
}
