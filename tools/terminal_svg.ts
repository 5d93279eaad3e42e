/**
 * A terminal's text as a picture: `deno run -A tools/terminal_svg.ts TITLE <text >picture.svg`. docs/cluster.svg is the
 * last frame of `cluster status -w` of a real cluster, made so.
 */
const fontSize = 13;
const lineHeight = 19;
const characterWidth = 7.82;
const margin = 18;
const barHeight = 34;

/** What is drawn in a colour of its own; the first that matches wins. */
const colours: readonly (readonly [RegExp, string])[] = [
  [/^(?:[A-Z]+ {2,})+[A-Z]+$/, "#7d8590"],
  [/\b(?:Ready|Running)\b/, "#3fb950"],
  [/\bleader\b/, "#e3b341"],
  [/\b(?:starting|waiting|stopped|none)\b/, "#f85149"],
  [/(?:https|unix):\S+/, "#79c0ff"],
];

export function terminalSvg(title: string, text: string): string {
  const lines = text.trimEnd().split("\n");
  const width = Math.ceil(
    Math.max(...lines.map((line) => line.length), title.length + 12) * characterWidth + 2 * margin,
  );
  const height = barHeight + lines.length * lineHeight + 2 * margin;
  const rows = lines.map((line, i) => {
    const y = barHeight + margin + (i + 0.75) * lineHeight;
    return `<text x="${margin}" y="${y}" xml:space="preserve">${spans(line)}</text>`;
  });
  const lights = ["#ff5f57", "#febc2e", "#28c840"].map((colour, i) =>
    `<circle cx="${margin + 4 + 18 * i}" cy="${barHeight / 2}" r="5.5" fill="${colour}"/>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${fontSize}">\n` +
    `<rect width="${width}" height="${height}" rx="9" fill="#0d1117"/>\n${lights.join("")}\n` +
    `<text x="${width / 2}" y="${barHeight / 2 + 4}" text-anchor="middle" fill="#7d8590">${escape(title)}</text>\n` +
    `<g fill="#e6edf3">\n${rows.join("\n")}\n</g>\n</svg>\n`;
}

function spans(line: string): string {
  let at = line.length;
  let first: { readonly match: string; readonly colour: string } | null = null;
  for (const [pattern, colour] of colours) {
    const found = pattern.exec(line);
    if (found !== null && found.index < at) {
      at = found.index;
      first = { match: found[0], colour };
    }
  }
  if (first === null) return escape(line);
  const { match, colour } = first;
  return `${escape(line.slice(0, at))}<tspan fill="${colour}">${escape(match)}</tspan>${
    spans(line.slice(at + match.length))
  }`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

if (import.meta.main) {
  const text = await new Response(Deno.stdin.readable).text();
  console.log(terminalSvg(Deno.args[0] ?? "", text).trimEnd());
}
