import type { Api } from "./api.ts";
import { behaviours } from "./behaviours.ts";
import { checks } from "./checks.ts";
import { type Check, eventually, type Surroundings } from "./helpers.ts";
import { good } from "./lifecycle.ts";

export interface Outcome {
  readonly name: string;
  readonly area: string;
  readonly state: "passed" | "failed" | "not covered";
  /** Why it failed, or what it waits for. */
  readonly why: string;
}

export interface CatalogueOptions {
  /** Part of a name; "" for all. */
  readonly only?: string;
  /** Names of checks that are left out. */
  readonly without?: ReadonlySet<string>;
}

/** Runs every behaviour that has a check, each in a namespace of its own; a check that several share runs once. */
export async function runCatalogue(
  api: Api,
  around: Surroundings,
  { only = "", without = new Set() }: CatalogueOptions = {},
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const done = new Map<string, string>();
  for (const [name, key, waitsFor = ""] of behaviours) {
    if (!name.includes(only)) continue;
    const area = /^\[sig-([^\]]+)\]/.exec(name)?.[1] ?? "";
    if (without.has(key)) continue;
    const check = key === "" ? undefined : checks[key];
    if (check === undefined) {
      outcomes.push({ name, area, state: "not covered", why: waitsFor });
      continue;
    }
    const why = done.get(key) ?? await runOne(api, around, key, check, done.size + 1);
    done.set(key, why);
    outcomes.push({ name, area, state: why === "" ? "passed" : "failed", why });
  }
  return outcomes;
}

/** @returns "" or why it failed */
async function runOne(api: Api, around: Surroundings, key: string, check: Check, serial: number): Promise<string> {
  const plain = key.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const namespace = `c${serial}-${plain}`.slice(0, 40).replace(/-$/, "");
  try {
    await makeNamespace(api, namespace);
    await check(api, namespace, around);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await api.call("DELETE", `/api/v1/namespaces/${namespace}`);
  }
}

async function makeNamespace(api: Api, name: string): Promise<void> {
  const metadata = { name, labels: { "conformance-run": name } };
  good(await api.call("POST", "/api/v1/namespaces", { metadata }), 201, "namespace");
  // Pods are not let in without.
  const path = `/api/v1/namespaces/${name}/serviceaccounts/default`;
  await eventually("the default ServiceAccount", async () => (await api.call("GET", path)).code === 200);
}

/** Passed and total by area, what failed and why, what nothing checks; the last line counts. */
export function report(outcomes: readonly Outcome[], print: (line: string) => void): void {
  for (const it of outcomes) {
    if (it.state === "failed") print(`FAILED ${it.name}\n       ${it.why.split("\n").join("\n       ")}`);
  }
  const uncovered = outcomes.filter((it) => it.state === "not covered");
  if (uncovered.length > 0) print("not covered:");
  for (const it of uncovered) print(`  ${it.name}${it.why === "" ? "" : ` (${it.why})`}`);
  print("");
  for (const area of [...new Set(outcomes.map((it) => it.area))].sort()) {
    const own = outcomes.filter((it) => it.area === area);
    print(`${area.padEnd(16)} ${own.filter((it) => it.state === "passed").length} / ${own.length}`);
  }
  const count = (state: Outcome["state"]) => outcomes.filter((it) => it.state === state).length;
  print(`${count("not covered")} of ${outcomes.length} behaviours are not covered`);
  print(`${count("passed")} passed, ${count("failed")} failed`);
}
