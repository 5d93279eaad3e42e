/** Which trace a request belongs to, and which of its spans is the parent of what comes next. */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 of them, not all zero. */
  readonly spanId: string;
  /** Whoever came before writes its spans down, and so should those who follow. */
  readonly sampled: boolean;
}

/** What {@linkcode encodeTraceContext} makes. */
export const traceContextBytes = 24;

const sampledFlag = 1;
const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Reads a `traceparent` header; null when it is malformed, which a receiver treats as no header at all. A version yet to
 * come may have more behind the flags; of version 00 that is an error.
 * @see W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function parseTraceparent(header: string): TraceContext | null {
  const [, version, traceId = "", spanId = "", flags = "", more] = pattern.exec(header) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return null;
  if (isZero(traceId) || isZero(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & sampledFlag) !== 0 };
}

/** The header, of version 00. */
export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** Trace and span id as bytes. Only contexts that are sampled travel this way. */
export function encodeTraceContext({ traceId, spanId }: TraceContext): Uint8Array {
  return Uint8Array.fromHex(traceId + spanId);
}

/** Null for bytes of another length, or an id of zeros. */
export function decodeTraceContext(bytes: Uint8Array): TraceContext | null {
  if (bytes.length !== traceContextBytes) return null;
  const digits = bytes.toHex();
  const context = { traceId: digits.slice(0, 32), spanId: digits.slice(32), sampled: true };
  return isZero(context.traceId) || isZero(context.spanId) ? null : context;
}

function isZero(digits: string): boolean {
  return /^0*$/.test(digits);
}
