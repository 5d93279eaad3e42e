import type { Functions } from "../functions.ts";
import { CelError, type Value } from "../values.ts";
import { intAt, noOverload, textAt, textsAt } from "./arguments.ts";
import { textOf } from "./conversions.ts";

/** Characters are code points, as in Go. */
function points(text: string): string[] {
  return [...text];
}

function indexIn(text: string, part: string, from: number, last: boolean): bigint {
  const at = last ? text.lastIndexOf(part, from) : text.indexOf(part, from);
  return at < 0 ? -1n : BigInt(points(text.slice(0, at)).length);
}

function range(length: number, from: number, to: number): void {
  if (from < 0 || to < from || to > length) {
    throw new CelError(`index out of range: ${from < 0 || from > length ? from : to}`);
  }
}

function substring(args: readonly Value[]): string {
  const all = points(textAt(args, 0));
  const from = intAt(args, 1);
  const to = args.length > 2 ? intAt(args, 2) : all.length;
  range(all.length, from, to);
  return all.slice(from, to).join("");
}

function replace(args: readonly Value[]): string {
  const [text, from, to] = [textAt(args, 0), textAt(args, 1), textAt(args, 2)];
  let left = args.length > 3 ? intAt(args, 3) : -1;
  if (left < 0) return text.replaceAll(from, () => to);
  let result = "";
  let rest = text;
  for (let at = rest.indexOf(from); left > 0 && at >= 0; at = rest.indexOf(from)) {
    result += rest.slice(0, at) + to;
    rest = rest.slice(at + from.length);
    left--;
    if (from === "") break;
  }
  return result + rest;
}

function split(args: readonly Value[]): string[] {
  const [text, by] = [textAt(args, 0), textAt(args, 1)];
  const parts = by === "" ? points(text) : text.split(by);
  const limit = args.length > 2 ? intAt(args, 2) : -1;
  if (limit < 0 || parts.length <= limit) return parts;
  return limit === 0 ? [] : [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(by)];
}

function ascii(text: string, change: (part: string) => string): string {
  return text.replace(/[A-Za-z]+/g, change);
}

/** `"%s is %d".format([...])`: the verbs s, d, f, e, b, o, x, X and %%. */
function format(args: readonly Value[]): string {
  const values = args[1];
  if (!Array.isArray(values)) return noOverload();
  let next = 0;
  return textAt(args, 0).replace(/%(?:\.(\d{1,3}))?([a-zA-Z%])/g, (_, precision: string | undefined, verb: string) => {
    if (verb === "%") return "%";
    if (next >= values.length) throw new CelError(`index ${next} out of range`);
    const value: Value = values[next++];
    const number = typeof value === "number" || typeof value === "bigint" ? value : undefined;
    switch (verb) {
      case "s":
        return textOf(value);
      case "d":
        return number === undefined ? noOverload() : String(number);
      case "f":
        return number === undefined ? noOverload() : Number(number).toFixed(Number(precision ?? 6));
      case "e":
        return number === undefined ? noOverload() : Number(number).toExponential(Number(precision ?? 6));
      case "b":
        return typeof value === "boolean" ? String(Number(value)) : number?.toString(2) ?? noOverload();
      case "o":
        return number?.toString(8) ?? noOverload();
      case "x":
        return number?.toString(16) ?? noOverload();
      case "X":
        return number?.toString(16).toUpperCase() ?? noOverload();
    }
    throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  });
}

/** cel-go's string extensions, and Kubernetes's regular expressions. */
export const strings: Functions = {
  "_.contains": (args) => textAt(args, 0).includes(textAt(args, 1)),
  "_.startsWith": (args) => textAt(args, 0).startsWith(textAt(args, 1)),
  "_.endsWith": (args) => textAt(args, 0).endsWith(textAt(args, 1)),
  "_.matches": (args, _budget, { patterns }) => patterns.compile(textAt(args, 1))(textAt(args, 0)),
  "matches": (args, _budget, { patterns }) => patterns.compile(textAt(args, 1))(textAt(args, 0)),
  "_.find": (args, _budget, { patterns }) => patterns.findAll(textAt(args, 1), textAt(args, 0), 1)[0] ?? "",
  "_.findAll": (args, _budget, { patterns }) =>
    patterns.findAll(textAt(args, 1), textAt(args, 0), args.length > 2 ? intAt(args, 2) : -1),
  "_.charAt": (args) => {
    const all = points(textAt(args, 0));
    const at = intAt(args, 1);
    range(all.length, at, at);
    return all[at] ?? "";
  },
  "_.indexOf": (args) => {
    if (Array.isArray(args[0])) return listIndex(args, false);
    return indexIn(textAt(args, 0), textAt(args, 1), args.length > 2 ? intAt(args, 2) : 0, false);
  },
  "_.lastIndexOf": (args) => {
    if (Array.isArray(args[0])) return listIndex(args, true);
    return indexIn(textAt(args, 0), textAt(args, 1), args.length > 2 ? intAt(args, 2) : Infinity, true);
  },
  "_.lowerAscii": (args) => ascii(textAt(args, 0), (part) => part.toLowerCase()),
  "_.upperAscii": (args) => ascii(textAt(args, 0), (part) => part.toUpperCase()),
  "_.trim": (args) => textAt(args, 0).trim(),
  "_.substring": substring,
  "_.replace": (args, budget) => {
    // What comes out may be many times what went in: it is paid for before it is made.
    const [text, from, to] = [textAt(args, 0), textAt(args, 1), textAt(args, 2)];
    budget.spendText((text.length / Math.max(1, from.length) + 1) * to.length);
    return replace(args);
  },
  "_.split": split,
  "_.join": (args) => textsAt(args, 0).join(args.length > 1 ? textAt(args, 1) : ""),
  "_.format": format,
};

function listIndex(args: readonly Value[], last: boolean): bigint {
  const list = args[0] as readonly Value[];
  const wanted = args[1];
  const same = (item: Value) => item === wanted;
  return BigInt(last ? list.findLastIndex(same) : list.findIndex(same));
}
