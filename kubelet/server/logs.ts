import { concatBytes, utf8 } from "../../base/bytes.ts";
import { parseTime } from "../../api/time.ts";
import { DiskError, type Timers } from "../../platform/mod.ts";
import { type LogLine, parseLogLine } from "../core/cri_log.ts";
import * as limits from "../limits.ts";
import { type ContainerRuntime, type LogCursor, RuntimeError } from "../runtime/types.ts";

/** PodLogOptions, as the query of containerLogs carries them. */
export interface LogOptions {
  readonly follow: boolean;
  /** -1: all. */
  readonly tailLines: number;
  readonly timestamps: boolean;
  /** Lines before this are left out; milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Infinity: all. */
  readonly limitBytes: number;
}

/** Null for a value that is not a number or time. */
export function parseLogOptions(query: URLSearchParams, now: number): LogOptions | null {
  const whole = (name: string, absent: number) => {
    const text = query.get(name);
    if (text === null || text === "") return absent;
    return /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  };
  const sinceSeconds = whole("sinceSeconds", -1);
  const sinceTime = query.get("sinceTime") ?? "";
  const sinceMs = sinceSeconds >= 0 ? now - sinceSeconds * 1000 : sinceTime === "" ? -Infinity : parseTime(sinceTime);
  const options = {
    follow: isTrue(query.get("follow")),
    tailLines: whole("tailLines", -1),
    timestamps: isTrue(query.get("timestamps")),
    sinceMs: sinceMs ?? NaN,
    limitBytes: whole("limitBytes", Infinity),
  };
  const bad = [options.tailLines, options.sinceMs, options.limitBytes, sinceSeconds].some(Number.isNaN);
  return bad ? null : options;
}

export function isTrue(text: string | null): boolean {
  return text === "true" || text === "1";
}

const lineFeed = 10;

/** The container's log lines as they come; ends when the container has, or at once without `follow`. */
export async function* logLines(
  runtime: ContainerRuntime,
  id: string,
  options: { readonly follow: boolean; readonly from: LogCursor | null; readonly signal: AbortSignal },
  timers: Timers,
): AsyncGenerator<LogLine[]> {
  let cursor = options.from;
  while (!options.signal.aborted) {
    // Asked before reading: what a container wrote until its end is in the log by then.
    const running = options.follow &&
      (await runtime.listContainers()).some((each) => each.id === id && each.state !== "exited");
    await runtime.flushLog(id);
    for (;;) {
      const chunk = await runtime.readLog(id, cursor);
      cursor = chunk.cursor;
      if (chunk.bytes.length === 0) break;
      yield splitLines(chunk.bytes);
      if (options.signal.aborted) return;
    }
    if (!running) return;
    await timers.sleep(limits.logFollowMs, options.signal).catch(() => {});
  }
}

function splitLines(bytes: Uint8Array): LogLine[] {
  const lines: LogLine[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(lineFeed, at);
    const next = end < 0 ? bytes.length : end + 1;
    const line = parseLogLine(bytes.subarray(at, next));
    if (line !== null) lines.push(line);
    at = next;
  }
  return lines;
}

/** Where the log ends now. @param visit gets all lines before that */
export async function logEnd(
  runtime: ContainerRuntime,
  id: string,
  visit: (lines: LogLine[]) => void = () => {},
): Promise<LogCursor> {
  await runtime.flushLog(id);
  let chunk = await runtime.readLog(id, null);
  while (chunk.bytes.length > 0) {
    visit(splitLines(chunk.bytes));
    chunk = await runtime.readLog(id, chunk.cursor);
  }
  return chunk.cursor;
}

/** The body of `GET /containerLogs`: what the container wrote, chosen and dated as asked. */
export function logBody(
  runtime: ContainerRuntime,
  id: string,
  options: LogOptions,
  deps: { readonly timers: Timers; readonly onEnd: () => void },
): ReadableStream<Uint8Array> {
  const abort = new AbortController();
  const chunks = chosen(runtime, id, options, abort.signal, deps.timers);
  let ended = false;
  function end(): void {
    if (ended) return;
    ended = true;
    abort.abort(new Error("the log was read"));
    deps.onEnd();
  }
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done !== true) return controller.enqueue(value);
        end();
        controller.close();
      } catch (error) {
        end();
        // A removed container ends its log; anything else breaks the stream, so that the reader does not take it as whole.
        if (isGone(error)) controller.close();
        else controller.error(error);
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

/** The container, or under a read of it the log's file, has been removed. */
function isGone(error: unknown): boolean {
  return (error instanceof RuntimeError || error instanceof DiskError) && error.kind === "notFound";
}

async function* chosen(
  runtime: ContainerRuntime,
  id: string,
  options: LogOptions,
  signal: AbortSignal,
  timers: Timers,
): AsyncGenerator<Uint8Array> {
  let left = options.limitBytes;
  function render(lines: readonly LogLine[]): Uint8Array {
    const parts: Uint8Array[] = [];
    for (const line of lines) {
      if (left <= 0) break;
      const text = options.timestamps ? concatBytes([utf8(`${line.time} `), line.text]) : line.text;
      parts.push(text.subarray(0, Math.min(text.length, left)));
      left -= text.length;
    }
    return concatBytes(parts);
  }
  let from: LogCursor | null = null;
  if (options.tailLines >= 0) {
    // What is there now is at most one log file, so the lines kept are bounded by it.
    const last: LogLine[] = [];
    from = await logEnd(runtime, id, (lines) => {
      for (const line of lines) if (line.timeMs >= options.sinceMs) last.push(line);
      if (last.length > options.tailLines) last.splice(0, last.length - options.tailLines);
    });
    const bytes = render(last);
    if (bytes.length > 0) yield bytes;
    if (!options.follow || left <= 0) return;
  }
  for await (const lines of logLines(runtime, id, { follow: options.follow, from, signal }, timers)) {
    const bytes = render(lines.filter((line) => line.timeMs >= options.sinceMs));
    if (bytes.length > 0) yield bytes;
    if (left <= 0) return;
  }
}
