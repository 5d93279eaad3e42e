/** Nodes. */
import { duplicate, type FieldError, forbidden, invalid } from "../field_errors.ts";
import type { Node } from "../gen/types.ts";
import type { KubeObject } from "../meta.ts";
import { cidrAt } from "./common.ts";
import { metadataRules } from "./generic.ts";
import { nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import { validateTaints } from "./placement.ts";
import { roundToMilli, validateQuantity } from "./resource_lists.ts";
import type { Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against Node's schema.
const asNode = (object: KubeObject): Node => object as Node;

const metaRule = { namespaced: false, name: nameRules.subdomain } as const;

export const nodeRules: Rules = {
  ...metadataRules(metaRule),
  setDefaults(object) {
    const node = asNode(object);
    node.spec ??= {};
    const status = node.status;
    if (status === undefined) return;
    if (status.allocatable === undefined && status.capacity !== undefined) status.allocatable = { ...status.capacity };
    roundToMilli(status.capacity);
    roundToMilli(status.allocatable);
  },
  validate: (object) => {
    const node = asNode(object);
    return [
      ...validateMeta(node.metadata, metaRule),
      // Upstream files a node's taints under metadata.
      ...validateTaints(node.spec?.taints, "metadata.taints"),
      ...validateResources(node),
      ...validateCidrs(node.spec?.podCIDRs ?? []),
    ];
  },
  validateUpdate: (next, old) => validateNodeUpdate(asNode(next), asNode(old)),
  validateStatusUpdate: (next, old) => validateNodeUpdate(asNode(next), asNode(old)),
};

function validateResources(node: Node): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ["capacity", "allocatable"] as const) {
    for (const [name, text] of Object.entries(node.status?.[list] ?? {})) {
      errors.push(...validateQuantity(name, text, `status.${list}.${name}`));
    }
  }
  return errors;
}

function validateCidrs(cidrs: readonly string[]): FieldError[] {
  const path = "spec.podCIDRs";
  const errors = cidrs.flatMap((cidr, i) => cidrAt(cidr, `${path}[${i}]`));
  const families = new Set(cidrs.map((cidr) => cidr.includes(":")));
  if (cidrs.length > families.size) {
    errors.push(invalid(path, cidrs, "may specify no more than one CIDR for each IP family"));
  }
  for (const [i, cidr] of cidrs.entries()) {
    if (cidrs.indexOf(cidr) < i) errors.push(duplicate(`${path}[${i}]`, cidr));
  }
  return errors;
}

function validateNodeUpdate(next: Node, old: Node): FieldError[] {
  const errors = [...validateMetaUpdate(next.metadata, old.metadata), ...validateResources(next)];
  const seen = new Set<string>();
  for (const [i, address] of (next.status?.addresses ?? []).entries()) {
    const key = `${address.type}/${address.address}`;
    if (seen.has(key)) errors.push(duplicate(`status.addresses[${i}]`, address));
    seen.add(key);
  }
  const before = old.spec?.podCIDRs ?? [];
  const after = next.spec?.podCIDRs ?? [];
  if (before.length > 0 && (before.length !== after.length || before.some((cidr, i) => cidr !== after[i]))) {
    errors.push(forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'));
  }
  const provider = old.spec?.providerID ?? "";
  if (provider !== "" && provider !== next.spec?.providerID) {
    errors.push(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'));
  }
  return [...errors, ...validateTaints(next.spec?.taints, "metadata.taints")];
}
