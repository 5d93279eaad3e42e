import { utf8 } from "../../base/bytes.ts";

/** CRI's log format: `2016-10-06T00:17:09.669794202Z stdout F text`; P marks a line that goes on. */
export type LogStream = "stdout" | "stderr";

const lineFeed = 10;

/** RFC 3339 with nanoseconds; milliseconds are what the clock has. */
export function logTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace("Z", "000000Z");
}

/**
 * Turns raw output into CRI lines.
 * @param final the output has ended: what is left without a line feed is written too, as partial
 * @param maxLineBytes longer lines are cut into partial ones
 * @returns the lines, and how many bytes of `raw` they took
 */
export function formatLog(
  raw: Uint8Array,
  stream: LogStream,
  nowMs: number,
  options: { final: boolean; maxLineBytes: number },
): { lines: Uint8Array[]; consumed: number } {
  const full = utf8(`${logTime(nowMs)} ${stream} F `);
  const partial = utf8(`${logTime(nowMs)} ${stream} P `);
  const end = utf8("\n");
  const lines: Uint8Array[] = [];
  let at = 0;
  while (at < raw.length) {
    const next = raw.indexOf(lineFeed, at);
    const length = (next < 0 ? raw.length : next) - at;
    if (length > options.maxLineBytes) {
      lines.push(partial, raw.subarray(at, at + options.maxLineBytes), end);
      at += options.maxLineBytes;
    } else if (next >= 0) {
      lines.push(full, raw.subarray(at, next + 1));
      at = next + 1;
    } else {
      if (!options.final) break;
      lines.push(partial, raw.subarray(at), end);
      at = raw.length;
    }
  }
  return { lines, consumed: at };
}

export interface LogLine {
  readonly timeMs: number;
  /** As written, up to nanoseconds. */
  readonly time: string;
  readonly stream: LogStream;
  /** With its line feed, unless it is partial. */
  readonly text: Uint8Array;
}

const space = 32;
const header = new TextDecoder();

/** One line of a CRI log, its line feed included; null when it is not one. */
export function parseLogLine(line: Uint8Array): LogLine | null {
  const first = line.indexOf(space);
  const second = first < 0 ? -1 : line.indexOf(space, first + 1);
  const third = second < 0 ? -1 : line.indexOf(space, second + 1);
  if (third < 0) return null;
  const time = header.decode(line.subarray(0, first));
  const stream = header.decode(line.subarray(first + 1, second));
  const timeMs = Date.parse(time);
  if ((stream !== "stdout" && stream !== "stderr") || Number.isNaN(timeMs)) return null;
  const partial = line[second + 1] === 80; // P
  return { timeMs, time, stream, text: line.subarray(third + 1, partial ? line.length - 1 : line.length) };
}
