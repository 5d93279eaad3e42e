/** What decides where a pod may run: affinity, tolerations, taints, spread constraints. */
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from "../field_errors.ts";
import type {
  Affinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  Taint,
  Toleration,
  TopologySpreadConstraint,
} from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import { validateLabelSelector } from "../labels.ts";
import { dns1123Label, labelValue } from "../names.ts";
import { each, oneOf, qualifiedAt, subdomainAt, unset } from "./common.ts";

export const taintEffects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

export function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  if (affinity === undefined) return [];
  const errors: FieldError[] = [];
  const node = affinity.nodeAffinity;
  const during = "DuringSchedulingIgnoredDuringExecution";
  if (node?.requiredDuringSchedulingIgnoredDuringExecution !== undefined) {
    const at = `${path}.nodeAffinity.required${during}.nodeSelectorTerms`;
    const terms = node.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms ?? [];
    if (terms.length === 0) errors.push(required(at, "must have at least one node selector term"));
    for (const [i, term] of terms.entries()) errors.push(...validateTerm(term, true, `${at}[${i}]`));
  }
  for (const [i, term] of (node?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${path}.nodeAffinity.preferred${during}[${i}]`;
    errors.push(...validateWeight(term.weight, `${at}.weight`));
    // Wrong label values are let through here, since such a term can only fail to attract.
    errors.push(...validateTerm(term.preference ?? {}, false, `${at}.preference`));
  }
  for (const kind of ["podAffinity", "podAntiAffinity"] as const) {
    const rules = affinity[kind];
    for (const [i, term] of (rules?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      errors.push(...validatePodTerm(term, `${path}.${kind}.required${during}[${i}]`));
    }
    for (const [i, term] of (rules?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const at = `${path}.${kind}.preferred${during}[${i}]`;
      errors.push(...validateWeight(term.weight, `${at}.weight`));
      errors.push(...validatePodTerm(term.podAffinityTerm, `${at}.podAffinityTerm`));
    }
  }
  return errors;
}

function validateWeight(weight: number | undefined, path: string): FieldError[] {
  const value = weight ?? 0;
  return value <= 0 || value > 100 ? [invalid(path, value, "must be in the range 1-100")] : [];
}

function validateTerm(term: NodeSelectorTerm, checkValues: boolean, path: string): FieldError[] {
  return [
    ...(term.matchExpressions ?? []).flatMap((requirement, i) =>
      validateRequirement(requirement, checkValues, `${path}.matchExpressions[${i}]`)
    ),
    ...(term.matchFields ?? []).flatMap((requirement, i) =>
      validateFieldRequirement(requirement, `${path}.matchFields[${i}]`)
    ),
  ];
}

function validateRequirement(requirement: NodeSelectorRequirement, checkValues: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case "In":
    case "NotIn":
      if (values.length === 0) {
        errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      break;
    case "Exists":
    case "DoesNotExist":
      if (values.length > 0) {
        errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
      break;
    case "Gt":
    case "Lt":
      if (values.length !== 1) {
        errors.push(required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      }
      break;
    default:
      errors.push(invalid(`${path}.operator`, requirement.operator ?? "", "not a valid selector operator"));
  }
  errors.push(...qualifiedAt(requirement.key ?? "", `${path}.key`));
  if (checkValues) {
    for (const [i, value] of values.entries()) errors.push(...each(labelValue(value), `${path}.values[${i}]`, value));
  }
  return errors;
}

function validateFieldRequirement(requirement: NodeSelectorRequirement, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const values = requirement.values ?? [];
  if (requirement.operator === "In" || requirement.operator === "NotIn") {
    if (values.length !== 1) {
      const text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
      errors.push(required(`${path}.values`, text));
    }
  } else {
    errors.push(invalid(`${path}.operator`, requirement.operator ?? "", "not a valid selector operator"));
  }
  if (requirement.key !== "metadata.name") {
    errors.push(invalid(`${path}.key`, requirement.key ?? "", "not a valid field selector key"));
  } else {
    for (const [i, value] of values.entries()) errors.push(...subdomainAt(value, `${path}.values[${i}]`));
  }
  return errors;
}

function validatePodTerm(term: PodAffinityTerm | undefined, path: string): FieldError[] {
  const errors = [
    ...validateLabelSelector(term?.labelSelector, `${path}.labelSelector`),
    ...validateLabelSelector(term?.namespaceSelector, `${path}.namespaceSelector`),
  ];
  for (const name of term?.namespaces ?? []) errors.push(...each(dns1123Label(name), `${path}.namespace`, name));
  const key = term?.topologyKey ?? "";
  if (key === "") errors.push(required(`${path}.topologyKey`, "can not be empty"));
  return [...errors, ...qualifiedAt(key, `${path}.topologyKey`)];
}

export function validateTolerations(tolerations: readonly Toleration[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, toleration] of (tolerations ?? []).entries()) {
    const at = `${path}[${i}]`;
    const { operator = "", effect = "", value = "" } = toleration;
    if (!unset(toleration.key)) errors.push(...qualifiedAt(toleration.key, `${at}.key`));
    else if (operator !== "Exists") {
      const text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      errors.push(invalid(`${at}.operator`, operator, text));
    }
    if (toleration.tolerationSeconds !== undefined && effect !== "NoExecute") {
      errors.push(invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    if (operator === "" || operator === "Equal") {
      const problems = labelValue(value);
      if (problems.length > 0) errors.push(invalid(`${at}.operator`, value, problems.join(";")));
    } else if (operator === "Exists") {
      if (value !== "") {
        errors.push(invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"));
      }
    } else {
      errors.push(notSupported(`${at}.operator`, operator, ["Equal", "Exists"]));
    }
    if (effect !== "") errors.push(...oneOf(effect, `${at}.effect`, taintEffects));
  }
  return errors;
}

/** An update may add tolerations and change how long they last. */
export function validateOnlyAdded(
  next: readonly Toleration[] | undefined,
  old: readonly Toleration[] | undefined,
  path: string,
): FieldError[] {
  for (const before of old ?? []) {
    const { tolerationSeconds: _, ...kept } = before;
    const found = (next ?? []).some(({ tolerationSeconds: _, ...now }) => equalJson(now, kept));
    if (!found) return [forbidden(path, "existing toleration can not be modified except its tolerationSeconds")];
  }
  return validateTolerations(next, path);
}

export function validateTaints(taints: readonly Taint[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, taint] of (taints ?? []).entries()) {
    const at = `${path}[${i}]`;
    errors.push(...qualifiedAt(taint.key ?? "", `${at}.key`));
    const problems = labelValue(taint.value ?? "");
    if (problems.length > 0) errors.push(invalid(`${at}.value`, taint.value, problems.join(";")));
    errors.push(...oneOf(taint.effect, `${at}.effect`, taintEffects));
    const key = `${taint.effect}/${taint.key}`;
    if (seen.has(key)) {
      const error = duplicate(at, taint);
      errors.push({ ...error, message: `${error.message}: taints must be unique by key and effect pair` });
    }
    seen.add(key);
  }
  return errors;
}

export function validateSpread(
  constraints: readonly TopologySpreadConstraint[] | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, constraint] of (constraints ?? []).entries()) {
    const at = `${path}[${i}]`;
    if ((constraint.maxSkew ?? 0) <= 0) {
      errors.push(invalid(`${at}.maxSkew`, constraint.maxSkew ?? 0, "must be greater than zero"));
    }
    if (unset(constraint.topologyKey)) errors.push(required(`${at}.topologyKey`, "can not be empty"));
    else errors.push(...qualifiedAt(constraint.topologyKey, `${at}.topologyKey`));
    const { whenUnsatisfiable } = constraint;
    if (whenUnsatisfiable !== "DoNotSchedule" && whenUnsatisfiable !== "ScheduleAnyway") {
      errors.push(
        notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable ?? "", ["DoNotSchedule", "ScheduleAnyway"]),
      );
    }
    const pair = `{${constraint.topologyKey}, ${whenUnsatisfiable}}`;
    if (seen.has(pair)) errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    seen.add(pair);
    if (constraint.minDomains !== undefined) {
      if (constraint.minDomains <= 0) {
        errors.push(invalid(`${at}.minDomains`, constraint.minDomains, "must be greater than zero"));
      }
      if (whenUnsatisfiable !== "DoNotSchedule") {
        const text = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
        errors.push(invalid(`${at}.minDomains`, constraint.minDomains, text));
      }
    }
    errors.push(...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`));
  }
  return errors;
}
