/**
 * Exact resource quantities, `500m`, `1.5Gi`, `3e6`: fixed-point numbers in nano units, as upstream's are.
 * @see apimachinery pkg/api/resource
 */

export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

export interface Quantity {
  /** The amount times 10^9. */
  readonly nanos: bigint;
  readonly format: QuantityFormat;
  /** The text it was read from, where upstream keeps that text instead of the canonical one. */
  readonly text?: string;
}

/** Text that is no quantity; the message is upstream's. */
export class QuantityError extends Error {
  override readonly name = "QuantityError";
}

const nano = 1_000_000_000n;
const int64Max = 2n ** 63n - 1n;
/** Longer texts are refused before any arithmetic: no real amount needs them. */
const lengthMax = 256;
/** `1e300` is a bigger number than any machine's; without a bound, `1e999999999` would fill the memory. */
const exponentMax = 256;

const decimalSuffixes: ReadonlyMap<string, number> = new Map([
  ["n", -9],
  ["u", -6],
  ["m", -3],
  ["", 0],
  ["k", 3],
  ["M", 6],
  ["G", 9],
  ["T", 12],
  ["P", 15],
  ["E", 18],
]);
const binarySuffixes: ReadonlyMap<string, number> = new Map([
  ["Ki", 10],
  ["Mi", 20],
  ["Gi", 30],
  ["Ti", 40],
  ["Pi", 50],
  ["Ei", 60],
]);
const decimalNames = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const binaryNames = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

const formatError = "quantities must match the regular expression " +
  "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const suffixError = "unable to parse quantity's suffix";

interface Scale {
  readonly format: QuantityFormat;
  /** A power of ten, or of two for BinarySI. */
  readonly exponent: number;
}

function readSuffix(suffix: string): Scale {
  const decimal = decimalSuffixes.get(suffix);
  if (decimal !== undefined) return { format: "DecimalSI", exponent: decimal };
  const binary = binarySuffixes.get(suffix);
  if (binary !== undefined) return { format: "BinarySI", exponent: binary };
  if (/^[eE][+-]?[0-9]+$/.test(suffix)) {
    const exponent = Number(suffix.slice(1));
    if (exponent <= exponentMax && exponent >= -0x80000000) return { format: "DecimalExponent", exponent };
  }
  throw new QuantityError(suffixError);
}

/** Upstream's scanner takes an empty number for zero, so "Mi" and "." are quantities. */
const shape = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/;

/** Quantities read before: those of one workload, or of one kind of node, are the same few texts again and again. */
const known = new Map<string, Quantity>();
const knownMax = 1_024;
const knownLengthMax = 16;

/** @throws QuantityError */
export function parseQuantity(text: string): Quantity {
  const before = known.get(text);
  if (before !== undefined) return before;
  const quantity = readQuantity(text);
  if (text.length > knownLengthMax) return quantity;
  if (known.size >= knownMax) known.clear();
  known.set(text, quantity);
  return quantity;
}

function readQuantity(text: string): Quantity {
  const match = text === "" || text.length > lengthMax ? null : shape.exec(text);
  if (match === null) throw new QuantityError(formatError);
  const negative = match[1] === "-";
  const whole = (match[2] as string).replace(/^0+/, "") || "0";
  const fraction = match[3] ?? "";
  const { format, exponent } = readSuffix(match[4] as string);
  const digits = BigInt(whole + fraction);
  let nanos: bigint;
  if (format === "BinarySI") {
    nanos = ceilingDivide((digits << BigInt(exponent)) * nano, 10n ** BigInt(fraction.length));
    if (nanos > int64Max * nano) nanos = int64Max * nano;
  } else {
    const shift = exponent - fraction.length + 9;
    if (shift >= 0) nanos = digits * 10n ** BigInt(shift);
    // A digit below nano rounds away from zero: whoever asks for some gets some.
    else if (-shift > lengthMax) nanos = digits === 0n ? 0n : 1n;
    else nanos = ceilingDivide(digits, 10n ** BigInt(-shift));
  }
  // Upstream keeps the text as it came when its fast path finds it canonical enough.
  const kept = keepsText(format, exponent, whole, fraction, digits);
  const small = format === "BinarySI" && nanos > 0n && nanos < nano;
  const quantity = { nanos: negative ? -nanos : nanos, format: small ? "DecimalSI" as const : format };
  return kept ? { ...quantity, text } : quantity;
}

function keepsText(
  format: QuantityFormat,
  exponent: number,
  whole: string,
  fraction: string,
  digits: bigint,
): boolean {
  if (format === "BinarySI") {
    if (fraction !== "" || 14 - whole.length - Math.floor(exponent * 3 / 10) < 0) return false;
    return (digits & 7n) !== 0n && (digits << BigInt(exponent)) <= int64Max;
  }
  const scale = exponent - fraction.length;
  const shifted = whole + fraction;
  if (shifted.length > 18 || scale < -9) return false;
  return scale % 3 === 0 && !shifted.endsWith("000") && !shifted.startsWith("0");
}

/** The quantity of `text`, or undefined when it is none. */
export function tryParseQuantity(text: string): Quantity | undefined {
  try {
    return parseQuantity(text);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

function ceilingDivide(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

/** Canonical text: no fraction, the largest suffix that loses nothing. */
export function formatQuantity(quantity: Quantity): string {
  if (quantity.text !== undefined) return quantity.text;
  const { nanos } = quantity;
  if (nanos === 0n) return "0";
  const kilo = 1024n * nano;
  const binary = quantity.format === "BinarySI" && (nanos <= -kilo || nanos >= kilo) && nanos % nano === 0n;
  if (binary) return formatBinary(nanos / nano);
  let mantissa = nanos;
  let exponent = -9;
  const exponential = quantity.format === "DecimalExponent";
  while (mantissa % 1000n === 0n && (exponential || exponent < 18)) {
    mantissa /= 1000n;
    exponent += 3;
  }
  if (exponential) return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`;
  return `${mantissa}${decimalNames[exponent / 3 + 3]}`;
}

function formatBinary(value: bigint): string {
  let mantissa = value;
  let power = 0;
  while (mantissa % 1024n === 0n && power < binaryNames.length - 1) {
    mantissa /= 1024n;
    power++;
  }
  return `${mantissa}${binaryNames[power]}`;
}

/** What upstream's server would store for this text. @throws QuantityError */
export function canonicalQuantity(text: string): string {
  return formatQuantity(parseQuantity(text));
}

export function quantityFromInteger(value: number | bigint, format: QuantityFormat = "DecimalSI"): Quantity {
  return { nanos: BigInt(value) * nano, format };
}

export function quantityFromMilli(milli: number | bigint, format: QuantityFormat = "DecimalSI"): Quantity {
  return { nanos: BigInt(milli) * 1_000_000n, format };
}

/** Below, at or above zero: -1, 0, 1. */
export function compareQuantities(a: Quantity, b: Quantity): -1 | 0 | 1 {
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
}

/** The sum in `a`'s format, or in `b`'s when `a` is zero. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** Thousandths, rounded away from zero; beyond 2^53 - 1 it stays there. */
export function milliValue(quantity: Quantity): number {
  return scaledValue(quantity.nanos, 1_000_000n);
}

/** Whole units, rounded away from zero; beyond 2^53 - 1 it stays there. */
export function integerValue(quantity: Quantity): number {
  return scaledValue(quantity.nanos, nano);
}

/** Whole units, rounded away from zero, exactly. */
export function bigValue(quantity: Quantity): bigint {
  const { nanos } = quantity;
  return nanos < 0n ? -ceilingDivide(-nanos, nano) : ceilingDivide(nanos, nano);
}

function scaledValue(nanos: bigint, unit: bigint): number {
  const value = nanos < 0n ? -ceilingDivide(-nanos, unit) : ceilingDivide(nanos, unit);
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}

/** {@linkcode milliValue} of a text, without bigint for the everyday ones (`2`, `500m`). @throws QuantityError */
export function parseMilli(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  if (last >= 0x30 && last <= 0x39) {
    if (text.length <= 12 && isDigits(text, text.length)) return Number(text) * 1000;
  } else if (last === 0x6d && text.length > 1 && text.length <= 13 && isDigits(text, text.length - 1)) {
    return Number(text.slice(0, -1));
  }
  return milliValue(parseQuantity(text));
}

/** {@linkcode integerValue} of a text, without bigint for the everyday ones (`10`, `128Mi`). @throws QuantityError */
export function parseInteger(text: string): number {
  const length = text.length;
  if (length > 0 && length <= 12 && isDigits(text, length)) return Number(text);
  if (length > 2 && length <= 8 && text.endsWith("i") && isDigits(text, length - 2)) {
    const exponent = binarySuffixes.get(text.slice(-2));
    // Six digits (20 bits) times 2^30 is below 2^53.
    if (exponent !== undefined && exponent <= 30) return Number(text.slice(0, -2)) * 2 ** exponent;
  }
  return integerValue(parseQuantity(text));
}

function isDigits(text: string, end: number): boolean {
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return end > 0;
}
