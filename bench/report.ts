import type { Latency } from "./histograms.ts";

/** A result with its histograms, as files: JSON, one .hgrm a latency, one HTML page that needs nothing else. */
export async function writeReport(
  directory: string,
  name: string,
  result: { readonly benchmark: string },
  latencies: Readonly<Record<string, Latency>>,
): Promise<string[]> {
  await Deno.mkdir(directory, { recursive: true });
  const files: [string, string][] = [
    [`${name}.json`, JSON.stringify(result, null, 2) + "\n"],
    [`${name}.html`, htmlReport(result, latencies)],
    ...Object.entries(latencies).map(([latency, each]): [string, string] => [`${name}.${latency}.hgrm`, each.hgrm()]),
  ];
  for (const [file, text] of files) await Deno.writeTextFile(`${directory}/${file}`, text);
  return files.map(([file]) => `${directory}/${file}`);
}

const size = { width: 860, height: 420, left: 70, right: 150, top: 20, bottom: 50 } as const;
const colours = ["#0b6e4f", "#c8553d", "#3d5a98", "#8a6d1d", "#7b3f8c"] as const;

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export function htmlReport(
  result: { readonly benchmark: string },
  latencies: Readonly<Record<string, Latency>>,
): string {
  const json = escapeHtml(JSON.stringify(result, null, 2));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sauropod bench ${escapeHtml(result.benchmark)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; } pre { background: #f6f6f4; padding: 1rem; overflow: auto; }
svg text { font: 12px system-ui, sans-serif; fill: #444; }
</style></head><body>
<h1>sauropod bench ${escapeHtml(result.benchmark)}</h1>
<h2>Latency by percentile</h2>
${plot(latencies)}
${summaryTable(latencies)}
<h2>Result</h2>
<pre>${json}</pre>
</body></html>
`;
}

function summaryTable(latencies: Readonly<Record<string, Latency>>): string {
  const rows = Object.entries(latencies).map(([name, latency]) => {
    const { count, p50, p90, p99, p999, max } = latency.summary("ms");
    const cells = [p50, p90, p99, p999, max].map((each) => `<td>${each}</td>`).join("");
    return `<tr><td>${escapeHtml(name)}</td><td>${count}</td>${cells}</tr>`;
  });
  return `<table><tr><th>ms</th><th>count</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>` +
    `${rows.join("")}</table>`;
}

/** Percentiles to the right in decades of 1/(1 - share), milliseconds upwards, both logarithmic. */
function plot(latencies: Readonly<Record<string, Latency>>): string {
  const curves = Object.entries(latencies).map(([name, latency]) => ({ name, points: latency.curve() }))
    .filter(({ points }) => points.length > 0);
  const all = curves.flatMap(({ points }) => points.map(({ ms }) => Math.max(ms, 0.001)));
  if (all.length === 0) return "<p>Nothing was recorded.</p>";
  const low = Math.floor(Math.log10(Math.min(...all)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all))));
  const decades = Math.max(1, ...curves.map(({ points }) => decadesOf(points[points.length - 1]?.percentile ?? 0)));
  const innerWidth = size.width - size.left - size.right;
  const innerHeight = size.height - size.top - size.bottom;
  const x = (percentile: number) => size.left + decadesOf(percentile) / decades * innerWidth;
  const y = (ms: number) => size.top + (high - Math.log10(Math.max(ms, 0.001))) / (high - low) * innerHeight;
  const grid: string[] = [];
  for (let power = low; power <= high; power++) {
    const at = y(10 ** power).toFixed(1);
    grid.push(`<line x1="${size.left}" x2="${size.left + innerWidth}" y1="${at}" y2="${at}" stroke="#ddd"/>`);
    grid.push(`<text x="${size.left - 8}" y="${at}" text-anchor="end" dy="4">${10 ** power} ms</text>`);
  }
  for (const percentile of [0, 50, 90, 99, 99.9, 99.99].filter((each) => decadesOf(each) <= decades)) {
    const at = x(percentile).toFixed(1);
    grid.push(`<line x1="${at}" x2="${at}" y1="${size.top}" y2="${size.top + innerHeight}" stroke="#eee"/>`);
    grid.push(`<text x="${at}" y="${size.height - size.bottom + 20}" text-anchor="middle">p${percentile}</text>`);
  }
  const lines = curves.map(({ name, points }, i) => {
    const colour = colours[i % colours.length];
    const path = points.map(({ percentile, ms }) => `${x(percentile).toFixed(1)},${y(ms).toFixed(1)}`).join(" ");
    const labelY = size.top + 16 + 20 * i;
    return `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${path}"/>` +
      `<rect x="${size.left + innerWidth + 14}" y="${labelY - 9}" width="12" height="4" fill="${colour}"/>` +
      `<text x="${size.left + innerWidth + 32}" y="${labelY}">${escapeHtml(name)}</text>`;
  });
  return `<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="latency by percentile">` +
    `${grid.join("")}${lines.join("")}</svg>`;
}

function decadesOf(percentile: number): number {
  return -Math.log10(Math.max(1 - percentile / 100, 1e-9));
}
