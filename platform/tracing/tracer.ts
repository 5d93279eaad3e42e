import type { TraceContext } from "../../base/trace_context.ts";
import type { Clock, Random } from "../mod.ts";
import { type AttributeValue, nanosOf, otlpAttribute, otlpKinds, type OtlpSpan, type SpanKind } from "./otlp.ts";

/** One timed piece of work of one trace. Nothing is written before its end. */
export interface Span {
  readonly context: TraceContext;
  child(name: string, kind: SpanKind): Span;
  set(key: string, value: AttributeValue): void;
  /** It did not end well, and why. */
  fail(message: string): void;
  /** Idempotent; what is said afterwards is lost. */
  end(): void;
}

/** Makes spans. Whether a trace is worth any is for the caller to say: there is no span that is not written. */
export interface Tracer {
  /** @param origin.parent the span, of whichever process, that this one is part of @param origin.link one that it only knows of */
  start(
    name: string,
    kind: SpanKind,
    origin?: { readonly parent?: TraceContext | undefined; readonly link?: TraceContext | undefined },
  ): Span;
}

/** Takes the spans that have ended. It never waits. */
export interface SpanSink {
  take(span: OtlpSpan): void;
}

export function createTracer(
  { clock, random, sink }: { readonly clock: Clock; readonly random: Random; readonly sink: SpanSink },
): Tracer {
  const now = fineTime(clock);
  function begin(name: string, kind: SpanKind, traceId: string, parentId: string | null, link?: TraceContext): Span {
    const context: TraceContext = { traceId, spanId: id(random, 8), sampled: true };
    const startedAt = now();
    const attributes = new Map<string, AttributeValue>();
    let failure: string | null = null;
    let ended = false;
    return {
      context,
      child: (childName, childKind) => begin(childName, childKind, traceId, context.spanId),
      set: (key, value) => void attributes.set(key, value),
      fail: (message) => void (failure = message),
      end() {
        if (ended) return;
        ended = true;
        sink.take({
          traceId,
          spanId: context.spanId,
          ...(parentId === null ? {} : { parentSpanId: parentId }),
          name,
          kind: otlpKinds[kind],
          startTimeUnixNano: nanosOf(startedAt),
          endTimeUnixNano: nanosOf(Math.max(startedAt, now())),
          attributes: Array.from(attributes, ([key, value]) => otlpAttribute(key, value)),
          ...(link === undefined ? {} : { links: [{ traceId: link.traceId, spanId: link.spanId }] }),
          status: failure === null ? {} : { code: 2, message: failure },
        });
      },
    };
  }
  return {
    start: (name, kind, { parent, link } = {}) =>
      begin(name, kind, parent?.traceId ?? id(random, 16), parent?.spanId ?? null, link),
  };
}

/** Of zeros only it would be no id at all. */
function id(random: Random, length: number): string {
  const bytes = random.bytes(length);
  if (bytes.every((byte) => byte === 0)) bytes[length - 1] = 1;
  return bytes.toHex();
}

/** The wall clock may have been set: its difference to the other clock counts anew. */
const stepMs = 20;

/**
 * Milliseconds since the epoch, with fractions: the wall clock says whole ones, and spans are shorter. Each look at both
 * clocks bounds their difference from below, so the greatest one seen is the nearest.
 */
function fineTime(clock: Clock): () => number {
  let offset = clock.now() - clock.monotonic();
  return () => {
    // In this order: a pause between the two makes the difference smaller, which does no harm.
    const wall = clock.now();
    const monotonic = clock.monotonic();
    const seen = wall - monotonic;
    if (seen > offset || seen < offset - stepMs) offset = seen;
    return monotonic + offset;
  };
}
