import { invariant } from "../base/assert.ts";
import { maxSeriesPerMetric } from "./limits.ts";
import type { Counter, Gauge, Histogram, Metrics } from "./mod.ts";

type Labels = Readonly<Record<string, string>>;
type Kind = "counter" | "gauge" | "histogram";

interface Series {
  /** `a="1",b="2"`, sorted by name; "" without labels. */
  readonly labels: string;
  value: number;
  /** Histograms: observations per bucket, not cumulative; the last is +Inf. */
  readonly counts: number[];
}

interface Metric {
  readonly kind: Kind;
  readonly help: string;
  readonly buckets: readonly number[];
  readonly series: Map<string, Series>;
}

const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

function escapeValue(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => c === "\n" ? "\\n" : `\\${c}`);
}

function escapeHelp(help: string): string {
  return help.replace(/[\\\n]/g, (c) => c === "\n" ? "\\n" : "\\\\");
}

function labelText(labels: Labels | undefined): string {
  if (labels === undefined) return "";
  const names = Object.keys(labels);
  if (names.length > 1) names.sort();
  return names.map((name) => `${name}="${escapeValue(labels[name] ?? "")}"`).join(",");
}

function number(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function seriesOf(metric: Metric, labels: Labels | undefined): Series {
  let key = labelText(labels);
  let series = metric.series.get(key);
  if (series !== undefined) return series;
  if (metric.series.size >= maxSeriesPerMetric) {
    key = `overflow="true"`;
    series = metric.series.get(key);
    if (series !== undefined) return series;
  }
  const counts = metric.kind === "histogram" ? new Array<number>(metric.buckets.length + 1).fill(0) : [];
  series = { labels: key, value: 0, counts };
  metric.series.set(key, series);
  return series;
}

function braces(labels: string, extra = ""): string {
  const all = labels === "" ? extra : extra === "" ? labels : `${labels},${extra}`;
  return all === "" ? "" : `{${all}}`;
}

function writeMetric(name: string, metric: Metric, out: string[]): void {
  out.push(`# HELP ${name} ${escapeHelp(metric.help)}`, `# TYPE ${name} ${metric.kind}`);
  for (const series of metric.series.values()) {
    if (metric.kind !== "histogram") {
      out.push(`${name}${braces(series.labels)} ${number(series.value)}`);
      continue;
    }
    let total = 0;
    series.counts.forEach((count, i) => {
      total += count;
      const bound = metric.buckets[i];
      const le = `le="${bound === undefined ? "+Inf" : number(bound)}"`;
      out.push(`${name}_bucket${braces(series.labels, le)} ${total}`);
    });
    out.push(`${name}_sum${braces(series.labels)} ${number(series.value)}`);
    out.push(`${name}_count${braces(series.labels)} ${total}`);
  }
}

/** Prometheus metrics in memory; the text is format 0.0.4. Metrics appear in order of first use. */
export function createMetrics(): Metrics {
  const metrics = new Map<string, Metric>();
  const collectors: (() => void)[] = [];
  function metricOf(name: string, kind: Kind, help: string, buckets: readonly number[] = []): Metric {
    const known = metrics.get(name);
    if (known !== undefined) {
      invariant(known.kind === kind, `Metric ${name} is a ${known.kind}, asked for as a ${kind}`);
      return known;
    }
    invariant(namePattern.test(name), `Not a metric name: ${name}`);
    const metric: Metric = { kind, help, buckets, series: new Map() };
    metrics.set(name, metric);
    return metric;
  }
  function gaugeOf(metric: Metric): Gauge {
    return {
      set: (value, labels) => void (seriesOf(metric, labels).value = value),
      with: (labels) => {
        const series = seriesOf(metric, labels);
        return { set: (value) => void (series.value = value) };
      },
      clear: () => metric.series.clear(),
    };
  }
  return {
    counter(name, help): Counter {
      const metric = metricOf(name, "counter", help);
      const add = (series: Series, by: number) => {
        invariant(by >= 0, `Counter ${name} cannot go down`);
        series.value += by;
      };
      return {
        add: (by = 1, labels) => add(seriesOf(metric, labels), by),
        with: (labels) => {
          const series = seriesOf(metric, labels);
          return { add: (by = 1) => add(series, by) };
        },
      };
    },
    counterView: (name, help) => gaugeOf(metricOf(name, "counter", help)),
    gauge: (name, help) => gaugeOf(metricOf(name, "gauge", help)),
    histogram(name, help, buckets): Histogram {
      invariant(buckets.every((bound, i) => i === 0 || bound > (buckets[i - 1] as number)), `${name}: buckets ascend`);
      const metric = metricOf(name, "histogram", help, buckets);
      const observe = (series: Series, value: number) => {
        let i = 0;
        while (i < metric.buckets.length && value > (metric.buckets[i] as number)) i++;
        series.counts[i] = (series.counts[i] as number) + 1;
        series.value += value;
      };
      return {
        observe: (value, labels) => observe(seriesOf(metric, labels), value),
        with: (labels) => {
          const series = seriesOf(metric, labels);
          return { observe: (value) => observe(series, value) };
        },
      };
    },
    onCollect: (collect) => void collectors.push(collect),
    text() {
      for (const collect of collectors) collect();
      const out: string[] = [];
      for (const [name, metric] of metrics) if (metric.series.size > 0) writeMetric(name, metric, out);
      return out.length === 0 ? "" : out.join("\n") + "\n";
    },
  };
}

/** `count` bounds of a histogram, each `factor` times the one before. */
export function exponentialBuckets(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}

/** The bounds that Prometheus's own clients use where none are named, in seconds. */
export const defaultBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
