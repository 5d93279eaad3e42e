import { CliError, exitCode } from "../errors.ts";
import { dataDirectory, layout, readTextIfPresent } from "../home.ts";
import { planOf } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import { print } from "./output.ts";

const followPollMs = 200;

/** Prints the last lines of one component's log, or of every component's with its name in front. */
export async function logs(
  spec: ClusterSpec,
  options: { component: string | undefined; tail: number; follow: boolean },
): Promise<void> {
  const names = ["supervisor", ...planOf(spec).map((plan) => plan.name)];
  if (options.component !== undefined && !names.includes(options.component)) {
    throw new CliError(exitCode.notReady, `No component "${options.component}"`, {
      hint: `there are: ${names.join(", ")}`,
    });
  }
  const chosen = options.component === undefined ? names : [options.component];
  const path = (name: string) => `${dataDirectory(spec.name)}/${layout.logs}/${name}.log`;
  const prefix = (name: string) => chosen.length > 1 ? `${name}: ` : "";
  const offsets = new Map<string, number>();
  for (const name of chosen) {
    const text = await readTextIfPresent(path(name)) ?? "";
    offsets.set(name, new TextEncoder().encode(text).length);
    for (const line of text.split("\n").slice(0, -1).slice(-options.tail)) print(prefix(name) + line);
  }
  while (options.follow) {
    await new Promise((resolve) => setTimeout(resolve, followPollMs));
    for (const name of chosen) {
      const { lines, offset } = await linesAfter(path(name), offsets.get(name) ?? 0);
      offsets.set(name, offset);
      for (const line of lines) print(prefix(name) + line);
    }
  }
}

/** Whole lines written after `offset`; begins again when the file was cut. */
async function linesAfter(path: string, offset: number): Promise<{ lines: string[]; offset: number }> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch {
    return { lines: [], offset };
  }
  const from = bytes.length < offset ? 0 : offset;
  const end = bytes.lastIndexOf(10) + 1;
  if (end <= from) return { lines: [], offset: from };
  const text = new TextDecoder().decode(bytes.subarray(from, end));
  return { lines: text.split("\n").slice(0, -1), offset: end };
}
