/** Traces in OpenTelemetry's form: who makes spans, and where they go. */
export { createTracer, type Span, type SpanSink, type Tracer } from "./tracer.ts";
export type { AttributeValue, OtlpSpan, SpanKind } from "./otlp.ts";
export { openTraceFile, type TraceFile } from "./trace_file.ts";
