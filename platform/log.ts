import type { Log, LogFields } from "./mod.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

const order: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export interface LogOptions {
  readonly component: string;
  readonly level: LogLevel;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly sink: (line: string) => void;
}

/** What JSON cannot say is said in words: an error as its stack, a bigint as its digits. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) {
    const text = value.stack ?? String(value);
    return value.cause === undefined ? text : `${text}\ncaused by: ${String(value.cause)}`;
  }
  return typeof value === "bigint" ? value.toString() : value;
}

function line(record: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify(record, plain);
  } catch (error) {
    // A cycle in a field must not take down the component that wanted to say something.
    return JSON.stringify({ time: record.time, level: record.level, msg: record.msg, logError: String(error) });
  }
}

/** One JSON object a line: time (RFC 3339), level, component, msg, then the fields. */
export function createLog(options: LogOptions, bound: LogFields = {}): Log {
  const threshold = order.indexOf(options.level);
  function write(level: LogLevel, msg: string, fields: LogFields | undefined): void {
    if (order.indexOf(level) < threshold) return;
    const time = new Date(options.now()).toISOString();
    options.sink(line({ time, level, component: options.component, msg, ...bound, ...fields }));
  }
  return {
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
    with: (fields) => createLog(options, { ...bound, ...fields }),
  };
}
