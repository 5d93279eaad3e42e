/** msgpack with JSON's data model: the same field names, times and quantities as text. */
import { Decoder, Encoder } from "@msgpack/msgpack";
import { codecLimits } from "./limits.ts";

/** Bytes that are no msgpack value of JSON's kind. */
export class MsgpackError extends Error {
  override readonly name = "MsgpackError";
}

/** Undefined fields are left out, as JSON.stringify leaves them out. */
export function encodeMsgpack(value: unknown): Uint8Array<ArrayBuffer> {
  return new Encoder({ ignoreUndefined: true, maxDepth: codecLimits.depthMax }).encode(value);
}

/** @throws MsgpackError for broken bytes, trailing bytes, and for binary or extension values */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = new Decoder().decode(bytes);
  } catch (cause) {
    throw new MsgpackError(`Cannot decode msgpack: ${cause instanceof Error ? cause.message : "unknown fault"}`, {
      cause,
    });
  }
  checkJsonModel(value, 0);
  return value;
}

function checkJsonModel(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > codecLimits.depthMax) throw new MsgpackError("exceeded max depth");
  if (Array.isArray(value)) {
    for (const item of value) checkJsonModel(item, depth + 1);
    return;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    throw new MsgpackError("Cannot decode msgpack: binary and extension values have no place in an object");
  }
  for (const item of Object.values(value)) checkJsonModel(item, depth + 1);
}
