import type { OtlpSpan } from "../../platform/tracing/mod.ts";
import { CliError, exitCode } from "../errors.ts";
import { dataDirectory, layout, readTextIfPresent } from "../home.ts";
import { componentsOf } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import { print, table } from "./output.ts";

/** A span and the process that wrote it. */
export interface ReadSpan extends OtlpSpan {
  readonly component: string;
}

/** Requests of which the newest are named when no trace is. */
const listed = 20;

/** `cluster trace`: one trace as a tree of spans, from all components' files, or the newest traces. */
export async function trace(spec: ClusterSpec, traceId: string | undefined): Promise<void> {
  const spans = await readSpans(spec);
  if (traceId === undefined) return print(traceTable(spans));
  const own = spans.filter((span) => span.traceId === traceId);
  if (own.length === 0) throw new CliError(exitCode.notReady, `No span of trace ${traceId} in ${layout.logs}/`);
  print(waterfall(own));
}

async function readSpans(spec: ClusterSpec): Promise<ReadSpan[]> {
  const spans: ReadSpan[] = [];
  for (const { name } of componentsOf(spec)) {
    const path = `${dataDirectory(spec.name)}/${layout.logs}/traces-${name}.jsonl`;
    for (const file of [`${path}.1`, path]) spans.push(...spansIn(name, await readTextIfPresent(file) ?? ""));
  }
  return spans;
}

/** @param text of one component's file, perhaps with half a line at its end */
export function spansIn(component: string, text: string): ReadSpan[] {
  return text.split("\n").slice(0, -1).flatMap((line) => {
    const message: OtlpMessage = JSON.parse(line);
    return message.resourceSpans.flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, component })))
    );
  });
}

/** Our own file's line. */
interface OtlpMessage {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[] }[];
}

/** The newest traces, by the spans whose parents are not ours. */
export function traceTable(spans: readonly ReadSpan[]): string {
  const rows = roots(spans).toSorted(byStart).slice(-listed).map((span) => [
    span.traceId,
    new Date(msOf(span.startTimeUnixNano)).toISOString(),
    `${(msOf(span.endTimeUnixNano) - msOf(span.startTimeUnixNano)).toFixed(2)} ms`,
    span.name,
  ]);
  return rows.length === 0 ? "No traces." : table(["TRACE", "BEGAN", "TOOK", "REQUEST"], rows);
}

/** Each span under its parent: when it began after the trace did, how long it took, where, and what it says. */
export function waterfall(spans: readonly ReadSpan[]): string {
  const zeroMs = Math.min(...spans.map((span) => msOf(span.startTimeUnixNano)));
  const rows: string[][] = [];
  const add = (span: ReadSpan, depth: number) => {
    const began = msOf(span.startTimeUnixNano);
    const failed = span.status.code === undefined ? [] : [`FAILED: ${span.status.message ?? ""}`];
    const said = span.attributes.map(({ key, value }) => `${key}=${Object.values(value)[0]}`);
    rows.push([
      `+${(began - zeroMs).toFixed(2)} ms`,
      `${(msOf(span.endTimeUnixNano) - began).toFixed(2)} ms`,
      span.component,
      "  ".repeat(depth) + span.name,
      [...failed, ...said].join(" "),
    ]);
    for (const child of spans.filter((each) => each.parentSpanId === span.spanId).toSorted(byStart)) {
      add(child, depth + 1);
    }
  };
  for (const root of roots(spans).toSorted(byStart)) add(root, 0);
  return table(["BEGAN", "TOOK", "COMPONENT", "SPAN", "SAYS"], rows);
}

function roots(spans: readonly ReadSpan[]): ReadSpan[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  return spans.filter(({ parentSpanId }) => parentSpanId === undefined || !known.has(parentSpanId));
}

function byStart(a: ReadSpan, b: ReadSpan): number {
  return msOf(a.startTimeUnixNano) - msOf(b.startTimeUnixNano);
}

/** Nanoseconds do not fit a number; milliseconds with three decimals do. */
function msOf(nanos: string): number {
  return Number(nanos.slice(0, -3)) / 1000;
}
