/**
 * JSON text to plain values. Valid text without repeated keys, which is nearly all of it, goes through JSON.parse after
 * one scan; the rest through a parser of our own, which names repeated keys by path and faults in Go's words.
 */
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { codecLimits } from "./limits.ts";
import { quote } from "../go_text.ts";
import { setOwn } from "../json_value.ts";

/** Text that is no JSON; the message is encoding/json's. */
export class JsonSyntaxError extends Error {
  override readonly name = "JsonSyntaxError";
}

export interface ParsedJson {
  /** Integers beyond 2^53 - 1 are bigint. */
  readonly value: unknown;
  /** Paths of repeated keys, as `spec.containers[0].image`. The last one given counts. */
  readonly duplicates: readonly string[];
}

interface Scan {
  readonly colons: number;
  readonly longDigits: boolean;
}

/** @throws JsonSyntaxError */
export function parseJson(text: string): ParsedJson {
  const scan = scanText(text);
  let value: unknown;
  try {
    value = scan.longDigits ? JSON.parse(text, keepLargeIntegers) : JSON.parse(text);
  } catch {
    return new SlowParser(text).parse();
  }
  if (countKeys(value) !== scan.colons) return new SlowParser(text).parse();
  return { value, duplicates: [] };
}

/** @throws JsonSyntaxError */
export function parseJsonBytes(bytes: Uint8Array): ParsedJson {
  return parseJson(fromUtf8(bytes));
}

/** JSON text as bytes. */
export function encodeJson(value: unknown): Uint8Array {
  return utf8(JSON.stringify(value));
}

/** Counts the colons outside strings, bounds the nesting, and looks for digits that a double may not hold. */
function scanText(text: string): Scan {
  let colons = 0;
  let depth = 0;
  let digits = 0;
  let longDigits = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      if (++digits >= 16) longDigits = true;
      continue;
    }
    digits = 0;
    switch (code) {
      case 0x22: // A string: on to the first quote with an even number of backslashes before it.
        i = endOfString(text, i + 1);
        break;
      case 0x3a:
        colons++;
        break;
      case 0x7b:
      case 0x5b:
        if (++depth > codecLimits.depthMax) throw new JsonSyntaxError("exceeded max depth");
        break;
      case 0x7d:
      case 0x5d:
        depth--;
        break;
    }
  }
  return { colons, longDigits };
}

function endOfString(text: string, from: number): number {
  let at = from;
  for (;;) {
    const end = text.indexOf('"', at);
    if (end < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c && end - 1 - backslashes >= from) backslashes++;
    if (backslashes % 2 === 0) return end;
    at = end + 1;
  }
}

function keepLargeIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^-?[0-9]+$/.test(source) ? BigInt(source) : value;
}

function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countKeys(item);
    return count;
  }
  const keys = Object.keys(value);
  const record = value as Record<string, unknown>;
  count = keys.length;
  for (const key of keys) count += countKeys(record[key]);
  return count;
}

/** Only for texts that are wrong or repeat a key, so it is written for its messages. */
class SlowParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  readonly #duplicates: string[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  parse(): ParsedJson {
    const value = this.#value("");
    this.#space();
    if (this.#at < this.#text.length) this.#fail("after top-level value");
    return { value, duplicates: this.#duplicates };
  }

  #space(): void {
    while (" \t\r\n".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }

  #fail(where: string): never {
    if (this.#at >= this.#text.length) throw new JsonSyntaxError("unexpected end of JSON input");
    const char = String.fromCodePoint(this.#text.codePointAt(this.#at) as number);
    const shown = char === "'" ? `'\\''` : char === '"' ? `'"'` : `'${quote(char).slice(1, -1)}'`;
    throw new JsonSyntaxError(`invalid character ${shown} ${where}`);
  }

  #value(path: string): unknown {
    this.#space();
    const char = this.#text[this.#at];
    if (char === "{") return this.#object(path);
    if (char === "[") return this.#array(path);
    if (char === '"') return this.#string();
    if (char !== undefined && "-0123456789".includes(char)) return this.#number();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]] as const) {
      if (char !== word[0]) continue;
      for (let i = 0; i < word.length; i++, this.#at++) {
        if (this.#text[this.#at] !== word[i]) this.#fail(`in literal ${word} (expecting '${word[i]}')`);
      }
      return value;
    }
    return this.#fail("looking for beginning of value");
  }

  #enter(): void {
    this.#at++;
    if (++this.#depth > codecLimits.depthMax) throw new JsonSyntaxError("exceeded max depth");
  }

  #object(path: string): Record<string, unknown> {
    this.#enter();
    const object: Record<string, unknown> = {};
    this.#space();
    if (this.#text[this.#at] === "}") {
      this.#at++;
      this.#depth--;
      return object;
    }
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail("looking for beginning of object key string");
      const key = this.#string();
      this.#space();
      if (this.#text[this.#at] !== ":") this.#fail("after object key");
      this.#at++;
      const inner = path === "" ? key : `${path}.${key}`;
      if (Object.hasOwn(object, key)) this.#repeat(inner);
      setOwn(object, key, this.#value(inner));
      this.#space();
      const char = this.#text[this.#at];
      if (char !== "," && char !== "}") this.#fail("after object key:value pair");
      this.#at++;
      if (char === "}") {
        this.#depth--;
        return object;
      }
    }
  }

  #repeat(path: string): void {
    if (this.#duplicates.length < codecLimits.strictErrorsMax && !this.#duplicates.includes(path)) {
      this.#duplicates.push(path);
    }
  }

  #array(path: string): unknown[] {
    this.#enter();
    const list: unknown[] = [];
    this.#space();
    if (this.#text[this.#at] === "]") {
      this.#at++;
      this.#depth--;
      return list;
    }
    for (;;) {
      list.push(this.#value(`${path}[${list.length}]`));
      this.#space();
      const char = this.#text[this.#at];
      if (char !== "," && char !== "]") this.#fail("after array element");
      this.#at++;
      if (char === "]") {
        this.#depth--;
        return list;
      }
    }
  }

  #string(): string {
    const start = this.#at;
    const end = endOfString(this.#text, start + 1);
    for (this.#at = start + 1; this.#at < end; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code < 0x20) this.#fail("in string literal");
      if (code !== 0x5c) continue;
      this.#at++;
      const escape = this.#text[this.#at];
      if (escape === "u") {
        for (let i = 0; i < 4; i++) {
          this.#at++;
          if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? "")) this.#fail("in \\u hexadecimal character escape");
        }
      } else if (escape === undefined || !'"\\/bfnrt'.includes(escape)) {
        this.#fail("in string escape code");
      }
    }
    if (end >= this.#text.length) throw new JsonSyntaxError("unexpected end of JSON input");
    this.#at = end + 1;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #number(): number | bigint {
    const start = this.#at;
    if (this.#text[this.#at] === "-") this.#at++;
    if (this.#text[this.#at] === "0") this.#at++;
    else this.#digits("in numeric literal");
    const integer = this.#text.slice(start, this.#at);
    if (this.#text[this.#at] === ".") {
      this.#at++;
      this.#digits("after decimal point in numeric literal");
    }
    if (/[eE]/.test(this.#text[this.#at] ?? "")) {
      this.#at++;
      if (/[+-]/.test(this.#text[this.#at] ?? "")) this.#at++;
      this.#digits("in exponent of numeric literal");
    }
    const source = this.#text.slice(start, this.#at);
    const value = Number(source);
    return source === integer && !Number.isSafeInteger(value) ? BigInt(integer) : value;
  }

  #digits(where: string): void {
    if (!/[0-9]/.test(this.#text[this.#at] ?? "")) this.#fail(where);
    while (/[0-9]/.test(this.#text[this.#at] ?? "")) this.#at++;
  }
}
