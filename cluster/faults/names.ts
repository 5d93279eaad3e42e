import type { LinkCondition } from "../../platform/faults/mod.ts";
import { CliError, exitCode } from "../errors.ts";
import type { ComponentKind, ComponentPlan } from "../plan.ts";
import type { LinkFault } from "./table.ts";

/** Kind -> the kinds that it dials. A pair of components has a link when either dials the other. */
const dials: Readonly<Record<ComponentKind, readonly ComponentKind[]>> = {
  store: ["store"],
  apiserver: ["store", "kubelet", "hollow-nodes"],
  balancer: ["apiserver"],
  "controller-manager": ["apiserver"],
  scheduler: ["apiserver"],
  kubelet: ["apiserver"],
  proxy: ["apiserver"],
  "hollow-nodes": ["apiserver"],
  etcd: ["store"],
  // Its components find each other in its own process: there is no link to break.
  "all-in-one": [],
};

function hasLink(a: ComponentPlan, b: ComponentPlan): boolean {
  return a.name !== b.name && (dials[a.kind].includes(b.kind) || dials[b.kind].includes(a.kind));
}

interface Side {
  /** Named one by one. */
  readonly named: readonly ComponentPlan[];
  /** All of a kind. */
  readonly ofKind: readonly ComponentPlan[];
}

function resolveSide(text: string, plans: readonly ComponentPlan[], leader: string | null): Side {
  const named: ComponentPlan[] = [];
  const ofKind: ComponentPlan[] = [];
  for (const word of text.split(",").map((each) => each.trim())) {
    if (word === "leader" && leader === null) throw new CliError(exitCode.notReady, "No store member leads now");
    const name = word === "leader" ? leader : word;
    const one = plans.find((each) => each.name === name);
    const all = one === undefined ? plans.filter((each) => each.kind === name) : [];
    if (one === undefined && all.length === 0) {
      const kinds = [...new Set(plans.map((each) => each.kind))].join(", ");
      throw new CliError(exitCode.usage, `No component or kind "${word}"`, {
        hint: `names: ${plans.map((each) => each.name).join(", ")}; kinds: ${kinds}; leader: the store's`,
      });
    }
    if (one !== undefined) named.push(one);
    ofKind.push(...all);
  }
  return { named, ofKind };
}

/** The components that `text` names: names, kinds (all of one) and `leader` (the store's), separated by commas. */
export function resolveNames(
  text: string,
  plans: readonly ComponentPlan[],
  leader: string | null,
): readonly ComponentPlan[] {
  const { named, ofKind } = resolveSide(text, plans, leader);
  return [...new Set([...named, ...ofKind])];
}

/**
 * The sides of `['A|B']` or `['A', 'B']`. A kind means those of it that no side names; one side alone stands against all
 * other components.
 * @throws CliError when a component is on two sides
 */
export function resolveSides(
  groups: readonly string[],
  plans: readonly ComponentPlan[],
  leader: string | null,
): readonly (readonly ComponentPlan[])[] {
  const resolved = groups.flatMap((each) => each.split("|")).map((each) => resolveSide(each, plans, leader));
  const named = new Set(resolved.flatMap((each) => each.named));
  const sides = resolved.map((each) => [...new Set([...each.named, ...each.ofKind.filter((it) => !named.has(it))])]);
  const [only] = sides;
  if (sides.length === 1 && only !== undefined) sides.push(plans.filter((each) => !only.includes(each)));
  const all = sides.flat().map((each) => each.name);
  const twice = all.find((name, i) => all.indexOf(name) !== i);
  if (twice !== undefined) throw new CliError(exitCode.usage, `${twice} is on two sides`);
  return sides;
}

/**
 * One rule for each direction of each link between two sides.
 * @param options.oneWay only what an earlier side sends to a later one is disturbed
 * @throws CliError when no link runs between the sides
 */
export function rulesBetween(
  sides: readonly (readonly ComponentPlan[])[],
  condition: LinkCondition,
  options: { readonly oneWay: boolean; readonly owner: string },
): LinkFault[] {
  const rules: LinkFault[] = [];
  const { owner } = options;
  sides.forEach((side, i) => {
    for (const other of sides.slice(i + 1)) {
      for (const a of side) {
        for (const b of other) {
          if (!hasLink(a, b)) continue;
          rules.push({ from: a.name, to: b.name, ...condition, owner });
          if (!options.oneWay) rules.push({ from: b.name, to: a.name, ...condition, owner });
        }
      }
    }
  });
  if (rules.length === 0) {
    const words = sides.map((side) => side.map((each) => each.name).join(",") || "nobody").join(" and ");
    throw new CliError(exitCode.usage, `${words} do not talk to each other`, {
      hint:
        "links: store-store, apiserver-store, apiserver-kubelet; scheduler, controller-manager, kubelet, proxy, balancer-apiserver",
    });
  }
  return rules;
}

/** A fault in words: `store-0 -> store-1 cut`. */
export function describeLink({ from, to, cut, delayMs, jitterMs, lossRate }: LinkFault): string {
  const words = [
    ...(cut ? ["cut"] : []),
    ...(delayMs + jitterMs > 0 ? [`+${delayMs}${jitterMs > 0 ? `..${delayMs + jitterMs}` : ""} ms`] : []),
    ...(lossRate > 0 ? [`${Math.round(lossRate * 1_000) / 10} % lost`] : []),
  ];
  return `${from} -> ${to} ${words.join(", ")}`;
}

/** The faults of a table, a line each; both directions of a link alike in one. */
export function describeLinks(links: readonly LinkFault[]): string[] {
  const lines: string[] = [];
  const done = new Set<LinkFault>();
  for (const link of links) {
    if (done.has(link)) continue;
    const back = links.find((each) => each.from === link.to && each.to === link.from);
    const alike = back !== undefined && describeLink({ ...back, from: link.from, to: link.to }) === describeLink(link);
    if (alike) done.add(back);
    lines.push(alike ? describeLink(link).replace(" -> ", " <-> ") : describeLink(link));
  }
  return lines;
}
