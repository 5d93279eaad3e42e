import type { Functions } from "../functions.ts";
import {
  CelError,
  CidrValue,
  Duration,
  IpValue,
  isList,
  isMap,
  Optional,
  Timestamp,
  typeName,
  TypeValue,
  Uint,
  UrlValue,
  type Value,
} from "../values.ts";
import { cidrText, ipText } from "./addresses.ts";
import { instanceAt, noOverload } from "./arguments.ts";

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  "µs": 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Go's duration text, `1h2m3.5s`. Undefined when it is none. */
export function parseDuration(text: string): Duration | undefined {
  const match = /^([+-]?)((?:\d{1,18}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+|0)$/.exec(text);
  if (match === null) return undefined;
  let nanos = 0n;
  for (const [, whole = "0", fraction = "", unit = "s"] of text.matchAll(/(\d+)(?:\.(\d+))?(ns|us|µs|ms|s|m|h)/g)) {
    const scale = units[unit] ?? 1n;
    nanos += BigInt(whole) * scale + BigInt(fraction || "0") * scale / 10n ** BigInt(fraction.length);
  }
  return new Duration(match[1] === "-" ? -nanos : nanos);
}

export function parseTimestamp(text: string): Timestamp | undefined {
  const match = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.(\d{1,9}))?(?:Z|[+-]\d{2}:\d{2})$/.exec(text);
  const milliseconds = match === null ? NaN : Date.parse(text.replace(/\.\d+/, ""));
  if (Number.isNaN(milliseconds)) return undefined;
  return new Timestamp(BigInt(milliseconds) * 1_000_000n + BigInt((match?.[1] ?? "").padEnd(9, "0")));
}

function parsed<T>(value: T | undefined, type: string, text: string): T {
  if (value === undefined) {
    throw new CelError(`type conversion error from 'string' to '${type}': ${JSON.stringify(text)}`);
  }
  return value;
}

function int(value: Value | undefined): bigint {
  if (typeof value === "bigint") return value;
  if (value instanceof Uint) return value.value;
  if (typeof value === "number" && Number.isFinite(value)) return BigInt(Math.trunc(value));
  if (value instanceof Timestamp) return value.nanos / 1_000_000_000n;
  if (typeof value === "string" && /^[+-]?\d{1,19}$/.test(value)) return BigInt(value.replace("+", ""));
  if (typeof value === "string") {
    throw new CelError(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  return noOverload();
}

function double(value: Value | undefined): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value))) return Number(value);
  return typeof value === "string" ? parsed<number>(undefined, "double", value) : noOverload();
}

/** The text of a value, as `string()` and `%s` give it. */
export function textOf(value: Value | undefined): string {
  if (value === undefined) return noOverload();
  if (typeof value === "string") return value;
  if (value === null) return "null";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return new TextDecoder("utf-8", { fatal: true }).decode(value);
  if (value instanceof Duration) return `${Number(value.nanos) / 1e9}s`;
  if (value instanceof Timestamp) return new Date(Number(value.nanos / 1_000_000n)).toISOString().replace(".000Z", "Z");
  if (value instanceof TypeValue) return value.name;
  if (value instanceof UrlValue) return value.text;
  if (value instanceof IpValue) return ipText(value);
  if (value instanceof CidrValue) return cidrText(value);
  if (isList(value)) return `[${value.map(textOf).join(", ")}]`;
  if (isMap(value)) return `{${[...value].map(([key, it]) => `${String(key)}: ${textOf(it)}`).join(", ")}}`;
  return noOverload();
}

function date(args: readonly Value[]): Date {
  return new Date(Number(instanceAt(args, 0, Timestamp).nanos / 1_000_000n));
}

/** A part of a duration as a whole number of `unit`, or the same part of a timestamp. */
function part(unit: bigint, ofDate: (at: Date) => number): Functions[string] {
  return (args) => args[0] instanceof Duration ? args[0].nanos / unit : BigInt(ofDate(date(args)));
}

export const conversions: Functions = {
  "int": (args) => int(args[0]),
  "uint": (args) => new Uint(int(args[0])),
  "double": (args) => double(args[0]),
  "string": (args) => textOf(args[0]),
  "bool": ([value]) => {
    if (typeof value === "boolean") return value;
    if (typeof value !== "string") return noOverload();
    return parsed(value === "true" || (value === "false" ? false : undefined), "bool", value);
  },
  "bytes": ([value]) => {
    if (value instanceof Uint8Array) return value;
    return typeof value === "string" ? new TextEncoder().encode(value) : noOverload();
  },
  "dyn": ([value]) => value ?? null,
  "type": ([value]) => value === undefined ? noOverload() : new TypeValue(typeName(value)),
  "duration": ([value]) => {
    if (value instanceof Duration) return value;
    return typeof value === "string" ? parsed(parseDuration(value), "google.protobuf.Duration", value) : noOverload();
  },
  "timestamp": ([value]) => {
    if (value instanceof Timestamp) return value;
    return typeof value === "string" ? parsed(parseTimestamp(value), "google.protobuf.Timestamp", value) : noOverload();
  },
  "_.getFullYear": (args) => BigInt(date(args).getUTCFullYear()),
  "_.getMonth": (args) => BigInt(date(args).getUTCMonth()),
  "_.getDate": (args) => BigInt(date(args).getUTCDate()),
  "_.getDayOfMonth": (args) => BigInt(date(args).getUTCDate() - 1),
  "_.getDayOfWeek": (args) => BigInt(date(args).getUTCDay()),
  "_.getHours": part(3_600_000_000_000n, (at) => at.getUTCHours()),
  "_.getMinutes": part(60_000_000_000n, (at) => at.getUTCMinutes()),
  "_.getSeconds": part(1_000_000_000n, (at) => at.getUTCSeconds()),
  "_.getMilliseconds": part(1_000_000n, (at) => at.getUTCMilliseconds()),
  "optional.of": ([value]) => new Optional(value ?? null),
  "optional.none": () => new Optional(undefined),
  "optional.ofNonZeroValue": ([value]) => new Optional(isZero(value) ? undefined : value),
  "_.hasValue": (args) => instanceAt(args, 0, Optional).value !== undefined,
  "_.value": (args) => {
    const { value } = instanceAt(args, 0, Optional);
    if (value === undefined) throw new CelError("optional.none() dereference");
    return value;
  },
  "_.orValue": (args) => instanceAt(args, 0, Optional).value ?? args[1] ?? null,
  "_.or": (args) => instanceAt(args, 0, Optional).value === undefined ? instanceAt(args, 1, Optional) : args[0] ?? null,
};

function isZero(value: Value | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === 0n || value === false) {
    return true;
  }
  return (isList(value) && value.length === 0) || (isMap(value) && value.size === 0);
}
