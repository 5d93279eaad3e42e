import { type Command, InvalidArgumentError, Option } from "commander";
import { rateMax } from "../chaos/limits.ts";
import type { StoreRequest } from "../store_options.ts";

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

/** etcd's flags for the store of a cluster that is made. */
export function storeFlags(command: Command): Command {
  return command
    .option("--auto-compaction-mode <mode>", "of the store: periodic (the default, as in etcd) or revision")
    .option(
      "--auto-compaction-retention <n>",
      "history it keeps: hours or a duration such as 30m; in mode revision, revisions; 0 for all of it (default: 100000 revisions)",
    )
    .option("--quota-backend-bytes <n>", "it takes no puts above so many bytes; 0 for 2 GiB, negative for no quota")
    .option(
      "--corrupt-check-time <duration>",
      "between two comparisons of the members' data, such as 1m; 0 for none (default: 10s)",
    );
}

/** What {@linkcode storeFlags} were given. */
export function storeRequest(options: StoreRequest): StoreRequest {
  const { autoCompactionMode, autoCompactionRetention, quotaBackendBytes, corruptCheckTime } = options;
  return { autoCompactionMode, autoCompactionRetention, quotaBackendBytes, corruptCheckTime };
}
