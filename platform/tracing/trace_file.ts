import { utf8 } from "../../base/bytes.ts";
import { maxTraceBatchSpans, maxTraceFileBytes, maxWaitingSpans } from "../limits.ts";
import type { Disk, Log, Metrics } from "../mod.ts";
import { RotatingFile } from "../rotating_file.ts";
import { otlpLine, type OtlpSpan } from "./otlp.ts";
import type { SpanSink } from "./tracer.ts";

/** Spans in a file, a batch a line: what an OpenTelemetry collector's `otlpjsonfile` receiver reads. */
export interface TraceFile extends SpanSink {
  /** Writes what was taken, and closes. */
  close(): Promise<void>;
}

/**
 * There is no file before there is a span. Spans that come while the disk works leave together; what it cannot keep up
 * with is dropped, and counted. A file that has grown too large becomes `path.1`, in the place of the one before it.
 * @param service which process these spans are of
 */
export function openTraceFile(
  path: string,
  service: string,
  { disk, log, metrics }: { readonly disk: Disk; readonly log: Log; readonly metrics: Metrics },
): TraceFile {
  const written = metrics.counter("sauropod_trace_spans_total", "Spans that were written.");
  const lost = metrics.counter("sauropod_trace_spans_lost_total", "Spans that the disk did not take.");
  const file = new RotatingFile(disk, path, maxTraceFileBytes);
  let waiting: OtlpSpan[] = [];
  let writing: Promise<void> | null = null;

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const spans = waiting.slice(0, maxTraceBatchSpans);
      waiting = waiting.slice(maxTraceBatchSpans);
      try {
        await file.append(utf8(otlpLine(service, spans)));
        written.add(spans.length);
      } catch (error) {
        lost.add(spans.length);
        log.error("Cannot write traces", { path, spans: spans.length, error: String(error) });
      }
    }
    // In the same turn as the last look: what comes after it begins anew.
    writing = null;
  }

  return {
    take(span) {
      if (waiting.length >= maxWaitingSpans) return lost.add(1);
      waiting.push(span);
      // Not in this turn, which may bring more of them.
      writing ??= Promise.resolve().then(drain);
    },
    async close() {
      while (writing !== null) await writing;
      file.close();
    },
  };
}
