import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from "./gen/types.ts";
import type { ResourceInfo } from "./resources.ts";

/** What discovery says of one version of a definition. */
export function versionInfo(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
): ResourceInfo {
  const { group, scope } = definition.spec;
  const names = definition.status?.acceptedNames ?? definition.spec.names;
  const { status, scale } = version.subresources ?? {};
  return {
    group,
    version: version.name,
    resource: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    namespaced: scope === "Namespaced",
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    subresources: [...(scale === undefined ? [] : ["scale"]), ...(status === undefined ? [] : ["status"])],
    type: `${group.split(".").reverse().join(".")}.${version.name}.${names.kind}`,
  };
}

export function hasCondition(definition: Readonly<CustomResourceDefinition>, type: string): boolean {
  return definition.status?.conditions?.some((it) => it.type === type && it.status === "True") === true;
}

/**
 * The version under which a client that cares for every object may see a definition's: the one that is stored, where it
 * is served. Null: nothing is served.
 */
export function representative(definition: CustomResourceDefinition): ResourceInfo | null {
  if (!hasCondition(definition, "Established")) return null;
  const served = definition.spec.versions.filter((version) => version.served);
  const version = served.find((each) => each.storage) ?? served[0];
  return version === undefined ? null : versionInfo(definition, version);
}
