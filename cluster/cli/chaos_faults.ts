import { must } from "../../base/assert.ts";
import type { LinkCondition } from "../../platform/faults/mod.ts";
import type { Platform } from "../../platform/mod.ts";
import { disarmNoSpace } from "../alarms.ts";
import { CliError, exitCode } from "../errors.ts";
import { describeLinks, resolveNames, resolveSides, rulesBetween } from "../faults/names.ts";
import type { FaultChange, FaultTable } from "../faults/table.ts";
import { askFaults, askStatus } from "../lifecycle.ts";
import { planOf } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import { note, ok } from "./output.ts";

/** Who broke it: `heal` takes away these and everyone else's. */
const owner = "user";

export interface LinkFaultOptions {
  /** `['A|B']`, `['A', 'B']` or one side alone, against all others. */
  readonly groups: readonly string[];
  readonly condition: Partial<LinkCondition>;
  readonly oneWay: boolean;
}

/** Cuts, slows or makes lossy every link between the sides, until `heal`. */
export async function chaosLinks(spec: ClusterSpec, options: LinkFaultOptions, platform: Platform): Promise<void> {
  const plans = planOf(spec);
  const sides = resolveSides(options.groups, plans, await storeLeader(spec, options.groups, platform));
  const condition = { cut: false, delayMs: 0, jitterMs: 0, lossRate: 0, ...options.condition };
  const links = rulesBetween(sides, condition, { oneWay: options.oneWay, owner });
  await change(spec, { kind: "add", links, disks: [] }, platform);
  for (const line of describeLinks(links)) ok(line);
  note(`deno task cluster chaos heal${spec.name === "default" ? "" : ` --name ${spec.name}`} ends it`);
}

/** Makes disks look full, until `heal`. */
export async function chaosDiskFull(spec: ClusterSpec, target: string, platform: Platform): Promise<void> {
  const chosen = resolveNames(target, planOf(spec), await storeLeader(spec, [target], platform));
  const disks = chosen.map(({ name }) => ({ component: name, full: true, owner }));
  await change(spec, { kind: "add", links: [], disks }, platform);
  for (const { component } of disks) ok(`${component}: its disk is full`);
}

/** Ends every fault of links and disks, whoever made it. */
export async function chaosHeal(spec: ClusterSpec, platform: Platform): Promise<void> {
  const before = (await askFaults(spec.name, null, platform)).table;
  await change(spec, { kind: "heal", owner: null }, platform);
  const lines = describeFaults(before);
  for (const line of lines) ok(`healed: ${line}`);
  if (lines.length === 0) ok("nothing was broken");
  if (before.disks.length > 0 && spec.store === undefined) await endNoSpace(spec, platform);
}

/** Whoever makes room ends the alarm. A store that cannot be asked keeps it: `etcdctl alarm disarm` does the same later. */
async function endNoSpace(spec: ClusterSpec, platform: Platform): Promise<void> {
  // Loaded here: no other command of these has need of the store's client.
  const [{ connectMembers }, { StoreError }] = await Promise.all([
    import("../chaos/store_subject.ts"),
    import("../../store/mod.ts"),
  ]);
  const { free: [store], close } = connectMembers(spec, platform);
  try {
    for (const member of await disarmNoSpace(must(store, "a store has members"))) {
      ok(`${member}: its NoSpace alarm is off`);
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    note(`the store did not answer (${error.code}): NoSpace alarms, if any, are still on`);
  } finally {
    close();
  }
}

/** Every fault of a table, a line each. */
export function describeFaults(table: FaultTable): string[] {
  return [...describeLinks(table.links), ...table.disks.map(({ component }) => `${component} disk full`)];
}

async function change(spec: ClusterSpec, wanted: FaultChange, platform: Platform): Promise<void> {
  const { silent } = await askFaults(spec.name, wanted, platform);
  if (silent.length > 0) note(`not yet known to ${silent.join(", ")} (paused, or very busy)`);
}

async function storeLeader(spec: ClusterSpec, groups: readonly string[], platform: Platform): Promise<string | null> {
  if (!groups.some((each) => /(^|[|,\s])leader($|[|,\s])/.test(each))) return null;
  const status = await askStatus(spec.name, platform);
  if (status === null) throw new CliError(exitCode.notReady, `Cluster "${spec.name}" does not run`);
  return status.components.find((each) => each.kind === "store" && each.role === "leader")?.name ?? null;
}
