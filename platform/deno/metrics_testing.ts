import { must } from "../../base/assert.ts";

/** Values by metric and, within it, by its labels as they are written; "" for none. */
export type Samples = ReadonlyMap<string, ReadonlyMap<string, number>>;

const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$/;

/**
 * Parses text exposition format 0.0.4, for tests, and throws a TypeError for what no scraper should be handed: a line
 * that is none, a metric told twice or without a type, a sample told twice or away from its metric, a histogram whose
 * buckets fall or do not end with its count, a counter below zero.
 */
export function parseMetrics(text: string): Samples {
  const samples = new Map<string, Map<string, number>>();
  const types = new Map<string, string>();
  let current = "";
  if (text !== "" && !text.endsWith("\n")) throw new TypeError("The last line has no end");
  for (const line of text.split("\n").slice(0, -1)) {
    const [, word, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === "TYPE") {
      if (types.has(name)) throw new TypeError(`${name} is told twice`);
      types.set(name, rest);
      current = name;
    } else if (word === undefined) {
      const [, full = "", labels = "", value = ""] = sample.exec(line) ?? [];
      if (full === "") throw new TypeError(`Not a sample: ${line}`);
      const of = types.get(current) === "histogram" ? full.replace(/_(bucket|sum|count)$/, "") : full;
      if (of !== current) throw new TypeError(`${full} stands below ${current}`);
      const series = samples.get(full) ?? new Map<string, number>();
      samples.set(full, series);
      if (series.has(labels)) throw new TypeError(`${full}{${labels}} is told twice`);
      series.set(labels, numberOf(value));
    }
  }
  for (const [name, type] of types) {
    if (type === "histogram") checkHistogram(name, samples);
    else if (type === "counter") checkCounter(name, samples);
    else if (type !== "gauge") throw new TypeError(`${name} is a ${type}`);
  }
  return samples;
}

function numberOf(text: string): number {
  const value = text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
  if (Number.isNaN(value)) throw new TypeError(`Not a number: ${text}`);
  return value;
}

function checkCounter(name: string, samples: Samples): void {
  for (const [labels, value] of samples.get(name) ?? []) {
    if (value < 0) throw new TypeError(`${name}{${labels}} is ${value}`);
  }
}

function checkHistogram(name: string, samples: Samples): void {
  const last = new Map<string, { bound: number; count: number }>();
  for (const [labels, count] of samples.get(`${name}_bucket`) ?? []) {
    const le = /(?:^|,)le="([^"]*)"$/.exec(labels);
    if (le === null) throw new TypeError(`${name}_bucket{${labels}} has no bound`);
    const of = labels.slice(0, le.index);
    const before = last.get(of) ?? { bound: -Infinity, count: 0 };
    const bound = numberOf(must(le[1], "the bound is matched"));
    if (bound <= before.bound || count < before.count) throw new TypeError(`${name}_bucket{${labels}} falls`);
    last.set(of, { bound, count });
  }
  const counts = samples.get(`${name}_count`) ?? new Map<string, number>();
  if (counts.size !== last.size) throw new TypeError(`${name} has ${counts.size} counts for ${last.size} series`);
  for (const [labels, { bound, count }] of last) {
    if (bound !== Infinity || counts.get(labels) !== count) {
      throw new TypeError(`${name}{${labels}}: +Inf is not the count`);
    }
  }
}

/** As {@linkcode parseMetrics}, and asks Prometheus's own promtool, where there is one, what it finds wrong. */
export async function checkMetrics(text: string): Promise<Samples> {
  const samples = parseMetrics(text);
  const complaints = await promtool(text);
  if (complaints !== null) throw new TypeError(`promtool check metrics: ${complaints}`);
  return samples;
}

/** What `promtool check metrics` says; null: nothing, or there is no promtool. */
async function promtool(text: string): Promise<string | null> {
  let child: Deno.ChildProcess;
  try {
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    child = new Deno.Command("promtool", { args: ["check", "metrics"], ...pipes }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  return success ? null : new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}
