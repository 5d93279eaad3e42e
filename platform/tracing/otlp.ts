/**
 * Spans as OTLP says them in JSON: ids are hexadecimal, kinds are numbers, 64-bit integers are texts.
 * @see https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding, opentelemetry/proto/trace/v1/trace.proto
 */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Code 2: it failed; absent: nobody said. */
  readonly status: { readonly code?: 2; readonly message?: string };
}

export interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string } | { readonly boolValue: boolean };
}

/** Numbers are whole. */
export type AttributeValue = string | number | boolean;

/** `server`: answers another process; `client`: asks one; `internal`: neither. */
export type SpanKind = "internal" | "server" | "client";

export const otlpKinds: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 };

export function otlpAttribute(key: string, value: AttributeValue): OtlpAttribute {
  switch (typeof value) {
    case "string":
      return { key, value: { stringValue: value } };
    case "number":
      return { key, value: { intValue: String(Math.trunc(value)) } };
    case "boolean":
      return { key, value: { boolValue: value } };
  }
}

/** To the microsecond, as far as a number of milliseconds since the epoch is exact. */
export function nanosOf(epochMs: number): string {
  return `${Math.round(epochMs * 1000)}000`;
}

/** One line for a file: the message that an exporter would send. @param service which process these spans are of */
export function otlpLine(service: string, spans: readonly OtlpSpan[]): string {
  const resource = {
    attributes: [otlpAttribute("service.name", service), otlpAttribute("service.namespace", "sauropod")],
  };
  const message = { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "sauropod" }, spans }] }] };
  return `${JSON.stringify(message)}\n`;
}
