import type { CustomResourceDefinition, CustomResourceDefinitionNames } from "../../api/gen/types.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import { hasCondition } from "../../api/custom_resources.ts";

export interface NamesDecision {
  readonly accepted: CustomResourceDefinitionNames;
  /** Null: no conflict. The reason is that of the last conflict found, as upstream's is. */
  readonly conflict: { readonly reason: string; readonly message: string } | null;
}

/**
 * Which of a definition's names no one else in its group holds. A name that is taken keeps what was accepted before.
 * @param others accepted names of the group's other definitions, and of its built-in resources
 * @see apiextensions-apiserver pkg/controller/status/naming_controller.go
 */
export function decideNames(
  wanted: CustomResourceDefinitionNames,
  before: CustomResourceDefinitionNames | undefined,
  others: readonly CustomResourceDefinitionNames[],
): NamesDecision {
  const resources = new Set(others.flatMap((it) => [it.plural, it.singular ?? "", ...it.shortNames ?? []]));
  const kinds = new Set(others.flatMap((it) => [it.kind, it.listKind ?? ""]));
  resources.delete("");
  kinds.delete("");
  let conflict: NamesDecision["conflict"] = null;
  const free = (taken: ReadonlySet<string>, name: string, old: string | undefined, reason: string) => {
    if (name === old || !taken.has(name)) return true;
    conflict = { reason, message: `${JSON.stringify(name)} is already in use` };
    return false;
  };
  const singular = wanted.singular ?? "";
  const listKind = wanted.listKind ?? "";
  const accepted: CustomResourceDefinitionNames = { ...before, plural: before?.plural ?? "", kind: before?.kind ?? "" };
  if (free(resources, wanted.plural, before?.plural, "PluralConflict")) accepted.plural = wanted.plural;
  if (free(resources, singular, before?.singular, "SingularConflict")) accepted.singular = singular;
  const shortNames = wanted.shortNames ?? [];
  const blocked = shortNames.filter((name) => !(before?.shortNames ?? []).includes(name) && resources.has(name));
  if (blocked.length > 0) {
    const messages = blocked.map((name) => `${JSON.stringify(name)} is already in use`);
    conflict = {
      reason: "ShortNamesConflict",
      message: messages.length > 1 ? `[${messages.join(", ")}]` : messages.join(),
    };
  } else if (shortNames.length > 0) {
    accepted.shortNames = shortNames;
  } else {
    delete accepted.shortNames;
  }
  if (free(kinds, wanted.kind, before?.kind, "KindConflict")) accepted.kind = wanted.kind;
  if (free(kinds, listKind, before?.listKind, "ListKindConflict")) accepted.listKind = listKind;
  if (wanted.categories === undefined) delete accepted.categories;
  else accepted.categories = wanted.categories;
  return { accepted, conflict };
}

/** The names that others hold in a definition's group. */
export function namesInUse(
  definition: CustomResourceDefinition,
  all: readonly CustomResourceDefinition[],
  builtin: readonly ResourceInfo[],
): CustomResourceDefinitionNames[] {
  const { group } = definition.spec;
  const accepted = all
    .filter((it) => it.spec.group === group && it.metadata?.name !== definition.metadata?.name)
    .map((it) => it.status?.acceptedNames)
    .filter((names) => names !== undefined);
  const fixed = builtin.filter((info) => info.group === group).map((info) => ({
    plural: info.resource,
    singular: info.singular,
    kind: info.kind,
    listKind: `${info.kind}List`,
    shortNames: [...info.shortNames],
  }));
  return [...accepted, ...fixed];
}

/** Whether the definition's resources may be served. */
export function isServable(definition: CustomResourceDefinition): boolean {
  return hasCondition(definition, "NamesAccepted") || hasCondition(definition, "Established");
}
