import { decode, type Decoded, type DecodeOptions, decodeValue } from "../api/codec/mod.ts";
import type { KubeObject } from "../api/meta.ts";
import { badRequest } from "../api/status.ts";
import { decodeProtobuf } from "./protobuf/decode.ts";
import { ProtobufError } from "./protobuf/wire.ts";

/**
 * A request's body as an object of `type`: JSON, YAML, msgpack, and the protobuf that Go clients send by default.
 * @throws ApiError 400, 415
 */
export function decodeRequest<T extends KubeObject>(
  body: Uint8Array,
  contentType: string,
  type: string,
  options: DecodeOptions,
): Decoded<T> {
  if (!/^application\/vnd\.kubernetes\.protobuf/i.test(contentType)) return decode<T>(body, contentType, type, options);
  try {
    return decodeValue<T>(decodeProtobuf(body, type), type, options);
  } catch (error) {
    if (error instanceof ProtobufError) throw badRequest(error.message);
    throw error;
  }
}
