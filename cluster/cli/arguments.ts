import { InvalidArgumentError, Option } from "commander";
import { rateMax } from "../chaos/limits.ts";

/** What several verbs take: values in the words that people write, and options of one meaning. */

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Not a whole number.");
  return Number(text);
}

/** `90`, `60s`, `2m`, `500ms` -> milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+)(ms|s|m)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Not a duration such as 60s, 2m or 500ms.");
  return Number(match[1]) * ({ ms: 1, s: 1_000, m: 60_000 }[match[2] ?? "s"] ?? 1_000);
}

/** `50%`, `0.5` -> a share. */
export function share(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const value = Number(match?.[1] ?? NaN) / (match?.[2] === "%" ? 100 : 1);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("Not a share such as 50% or 0.5.");
  return value;
}

/** `A,B` -> names. */
export function names(text: string): string[] {
  return text.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

export function atMost(limit: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(text);
    if (value < 1 || value > limit) throw new InvalidArgumentError(`Between 1 and ${limit}.`);
    return value;
  };
}

/** `200`, `200rps` -> operations a second. */
export function rate(text: string): number {
  return atMost(rateMax)(text.replace(/rps$/, ""));
}

export const nameOption = () => new Option("--name <name>", "which cluster").default("default");
export const outputOption = () =>
  new Option("-o, --output <format>", "text or json").choices(["text", "json"]).default("text");
export const waitOption = () =>
  new Option("--wait <duration>", "give up when not all is Ready by then").default(60_000, "60s").argParser(duration);
