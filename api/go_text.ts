/** Text as Go prints it: Kubernetes's messages are made with fmt's %q and %v, and clients match on them. */

/** fmt's `%q`: a double-quoted string with Go's escapes. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    if (char === '"' || char === "\\") out += `\\${char}`;
    else if (code >= 0x20 && code < 0x7f) out += char;
    else out += escapeUnusual(char, code);
  }
  return `${out}"`;
}

function escapeUnusual(char: string, code: number): string {
  switch (char) {
    case "\n":
      return "\\n";
    case "\t":
      return "\\t";
    case "\r":
      return "\\r";
    case "\x07":
      return "\\a";
    case "\b":
      return "\\b";
    case "\f":
      return "\\f";
    case "\v":
      return "\\v";
  }
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (/[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(char)) return char;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** A value inside a validation message: strings quoted, numbers and booleans plain, the rest as JSON. */
export function printValue(value: unknown): string {
  if (value === undefined || value === null) return '"null"';
  if (typeof value === "string") return quote(value);
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  return jsonText(value);
}

/** JSON for messages: integers beyond a double, which JSON.stringify would throw at, are rounded. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => typeof inner === "bigint" ? Number(inner) : inner);
}

/**
 * A client's value inside a message, strings plain, the rest as JSON. Never `String(value)`: what a client sends may have a
 * `toString` of its own that is no function.
 */
export function printPlain(value: unknown): string {
  return typeof value === "string" ? value : printValue(value);
}

/** The length in UTF-8 bytes, which is what Go's `len` of a string means in every limit. */
export function byteLength(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four bytes; any other unit from 0x800 on is three bytes.
    length += unit < 0x800 ? 1 : unit >= 0xd800 && unit <= 0xdfff ? 1 : 2;
  }
  return length;
}

/** Sorts as Go sorts strings, by bytes. Equal to code-point order for well-formed text. */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xSurrogate = x >= 0xd800 && x <= 0xdfff;
    const ySurrogate = y >= 0xd800 && y <= 0xdfff;
    // Surrogates stand for code points above every other unit, though 0xe000-0xffff are larger numbers.
    if (xSurrogate !== ySurrogate) return xSurrogate ? 1 : -1;
    return x - y;
  }
  return a.length - b.length;
}
