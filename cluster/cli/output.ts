/** Data goes to stdout, progress and errors to stderr. Colour only on a terminal, and never colour alone. */

const encoder = new TextEncoder();

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch (error) {
    // `cluster status | head` closes the pipe early: not worth a word.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

export function print(text: string): void {
  writeAll(Deno.stdout, text + "\n");
}

export function progress(text: string): void {
  writeAll(Deno.stderr, text + "\n");
}

function coloured(): boolean {
  if (Deno.env.get("FORCE_COLOR") !== undefined) return true;
  return Deno.env.get("NO_COLOR") === undefined && Deno.env.get("TERM") !== "dumb" && Deno.stderr.isTerminal();
}

function paint(code: number, text: string): string {
  return coloured() ? `\x1b[${code}m${text}\x1b[0m` : text;
}

export function ok(text: string): void {
  progress(` ${paint(32, "✔")} ${text}`);
}

export function bad(text: string): void {
  progress(` ${paint(31, "✖")} ${text}`);
}

export function note(text: string): void {
  progress(`   ${text}`);
}

/** kubectl's table: upper-case headers, columns three spaces apart, no trailing blanks. */
export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headers.map((header, i) => Math.max(header.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]) => cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("   ").trimEnd();
  return [line(headers), ...rows.map(line)].join("\n");
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
