import { matchesSelector, type Requirement, type SelectorOperator } from "./labels.ts";
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from "./gen/types.ts";

/** One term, compiled: all its requirements must hold. Null where it can hold for no node. */
interface Term {
  readonly labels: readonly Requirement[];
  readonly fields: readonly Requirement[];
}

/** The node affinity of a pod, compiled once. */
export interface CompiledAffinity {
  /** `spec.nodeSelector`, as requirements. */
  readonly selector: readonly Requirement[];
  /** Null: no required affinity. One of the terms must hold; an empty list holds for no node. */
  readonly required: readonly Term[] | null;
  readonly preferred: readonly { readonly weight: number; readonly term: Term }[];
  /** The only nodes that the required terms allow by `metadata.name`; null: any. Empty: the terms contradict. */
  readonly nodeNames: ReadonlySet<string> | null;
}

const operators: Readonly<Record<string, SelectorOperator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
  Gt: "gt",
  Lt: "lt",
};

function compileRequirement({ key, operator, values }: NodeSelectorRequirement): Requirement | null {
  const known = Object.hasOwn(operators, operator) ? operators[operator] : undefined;
  return known === undefined ? null : { key, operator: known, values: values ?? [] };
}

/** Null for a term without requirements, or with one that cannot be read: it holds for no node. */
function compileTerm(term: NodeSelectorTerm): Term | null {
  const expressions = term.matchExpressions ?? [];
  const matchFields = term.matchFields ?? [];
  if (expressions.length === 0 && matchFields.length === 0) return null;
  const labels: Requirement[] = [];
  const fields: Requirement[] = [];
  for (const expression of expressions) {
    const requirement = compileRequirement(expression);
    if (requirement === null) return null;
    labels.push(requirement);
  }
  for (const field of matchFields) {
    const requirement = compileRequirement(field);
    const readable = requirement !== null && field.values?.length === 1 &&
      (requirement.operator === "in" || requirement.operator === "notin");
    if (!readable) return null;
    fields.push(requirement);
  }
  return { labels, fields };
}

function matchesTerm(term: Term, node: Readonly<Node>): boolean {
  if (term.labels.length > 0 && !matchesSelector(term.labels, node.metadata?.labels)) return false;
  return term.fields.length === 0 || matchesSelector(term.fields, { "metadata.name": node.metadata?.name ?? "" });
}

export function compileAffinity(pod: Readonly<Pod>): CompiledAffinity {
  const affinity = pod.spec?.affinity?.nodeAffinity;
  const requiredTerms = affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const preferred: { weight: number; term: Term }[] = [];
  for (const { weight, preference } of affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
    const term = weight === 0 ? null : compileTerm(preference);
    if (term !== null) preferred.push({ weight, term });
  }
  return {
    selector: Object.entries(pod.spec?.nodeSelector ?? {}).map(([key, value]) => ({
      key,
      operator: "=",
      values: [value],
    })),
    required: requiredTerms === undefined
      ? null
      : requiredTerms.map(compileTerm).filter((term): term is Term => term !== null),
    preferred,
    nodeNames: namesAllowed(requiredTerms ?? []),
  };
}

/**
 * The names that the terms together allow: a union over the terms of the intersection over each term's `metadata.name In`.
 * A term without such a field allows any node, and so do they all. @see upstream's NodeAffinity PreFilter
 */
function namesAllowed(terms: readonly NodeSelectorTerm[]): ReadonlySet<string> | null {
  const all = new Set<string>();
  for (const term of terms) {
    let names: ReadonlySet<string> | null = null;
    for (const field of term.matchFields ?? []) {
      if (field.key !== "metadata.name" || field.operator !== "In") continue;
      const values = new Set(field.values ?? []);
      names = names === null ? values : values.intersection(names);
    }
    if (names === null) return null;
    for (const name of names) all.add(name);
  }
  return terms.length === 0 ? null : all;
}

/** Whether the node fits `spec.nodeSelector` and the required affinity. */
export function matchesRequired(affinity: CompiledAffinity, node: Readonly<Node>): boolean {
  if (affinity.selector.length > 0 && !matchesSelector(affinity.selector, node.metadata?.labels)) return false;
  return affinity.required === null || affinity.required.some((term) => matchesTerm(term, node));
}

/** The summed weights of the preferred terms that hold. */
export function preferredWeight(affinity: CompiledAffinity, node: Readonly<Node>): number {
  let sum = 0;
  for (const { weight, term } of affinity.preferred) if (matchesTerm(term, node)) sum += weight;
  return sum;
}
