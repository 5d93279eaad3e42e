import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { grpcLimits } from "./limits.ts";

/** gRPC status codes (grpc.github.io, "Status codes and their use in gRPC"). */
export const grpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** How a call ended, when not well. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  readonly code: number;
  /** Client: the server has not looked at the call, which may be made again. */
  readonly notSent: boolean;
  constructor(code: number, message: string, options?: ErrorOptions & { notSent?: boolean }) {
    super(message, options);
    this.code = code;
    this.notSent = options?.notSent ?? false;
  }
}

/** `grpc-message`: UTF-8 with everything but printable ASCII, and the percent sign, percent-encoded. */
export function encodeGrpcMessage(message: string): string {
  let text = "";
  for (const byte of utf8(message.slice(0, grpcLimits.messageLengthMax))) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** Never throws: what is no escape stays as it is. */
export function decodeGrpcMessage(text: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const escape = /^%([0-9a-fA-F]{2})$/.exec(text.slice(i, i + 3))?.[1];
    bytes.push(escape === undefined ? text.charCodeAt(i) : parseInt(escape, 16));
    if (escape !== undefined) i += 2;
  }
  return fromUtf8(Uint8Array.from(bytes));
}

const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout` in milliseconds; undefined when it is none, or longer than is kept. */
export function parseGrpcTimeout(text: string | undefined): number | undefined {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(text ?? "");
  if (match === null) return undefined;
  const ms = Number(match[1]) * (units[match[2] ?? ""] ?? 0);
  return ms > grpcLimits.timeoutMsMax ? undefined : ms;
}
