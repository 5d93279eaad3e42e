import type { FlowSchemaSpec } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import {
  clusterRoleBindings,
  clusterRoles,
  flowSchemas,
  priorityClasses,
  priorityLevelConfigurations,
  type ResourceInfo,
  roleBindings,
  roles,
} from "../../api/resources.ts";
import { defaultApiServices } from "../aggregation/local.ts";
import { bindingOf, ruleObject, rulesOf } from "../authz/policy_objects.ts";
import { compactRules, missingRules } from "../authz/policy_rule.ts";
import type { Subject } from "../authz/rbac.ts";
import { dig, items, record } from "../dig.ts";
import { equalJson } from "../equal.ts";
import { type DefaultFlow, defaultLevels, defaultSchemas } from "../flowcontrol/defaults.ts";
import { defaultBindings, defaultRoles } from "./default_roles.ts";
import type { DefaultBinding, DefaultRole } from "./role_terms.ts";

const rbacGroup = "rbac.authorization.k8s.io";
/** `false` on an object: it is the administrator's own, and is left as it is. */
const autoUpdate = "rbac.authorization.kubernetes.io/autoupdate";
const labels = { "kubernetes.io/bootstrapping": "rbac-defaults" };

/** A default object and how to bring what is there up to it. */
export interface DefaultObject {
  readonly info: ResourceInfo;
  readonly namespace: string;
  readonly name: string;
  /** The object to be written, or null when `present` has all that it should. @param present null: there is none */
  wanted(present: KubeObject | null): KubeObject | null;
}

/** @param now unix ms */
export function defaultObjects(now: number): DefaultObject[] {
  return [
    ...defaultRoles().map(roleObject),
    ...defaultBindings.map(bindingObject),
    ...systemPriorities.map(priorityObject),
    ...defaultLevels.map((level) => flowObject(priorityLevelConfigurations, level)),
    ...defaultSchemas.map((schema) => flowObject(flowSchemas, schema, { conditions: [foundLevel(schema.spec)] })),
    ...defaultApiServices(now),
  ];
}

const systemPriorities = [
  {
    name: "system-node-critical",
    value: 2_000_001_000,
    description: "Used for system critical pods that must not be moved from their current node.",
  },
  {
    name: "system-cluster-critical",
    value: 2_000_000_000,
    description:
      "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
  },
];

/** @see kubernetes pkg/apis/scheduling/v1/helpers.go */
function priorityObject({ name, value, description }: typeof systemPriorities[number]): DefaultObject {
  return {
    info: priorityClasses,
    namespace: "",
    name,
    wanted: (present) =>
      present === null
        ? Object.assign({ metadata: { name, generation: 1 } }, { value, description, preemptionPolicy })
        : null,
  };
}

const preemptionPolicy = "PreemptLowerPriority";

const autoUpdateSpec = "apf.kubernetes.io/autoupdate-spec";

function foundLevel({ priorityLevelConfiguration: { name } }: FlowSchemaSpec) {
  const message = `This FlowSchema references the PriorityLevelConfiguration object named "${name}" and it exists`;
  return { type: "Dangling", status: "False", reason: "Found", message };
}

/** Mandatory ones are kept as they are here; suggested ones until an administrator says otherwise, or has changed them. */
function flowObject<Spec extends object>(
  info: ResourceInfo,
  { name, mandatory, spec }: DefaultFlow<Spec>,
  status: object = {},
): DefaultObject {
  const annotations = { [autoUpdateSpec]: "true" };
  return {
    info,
    namespace: "",
    name,
    wanted: (present) => {
      if (present === null) {
        return Object.assign({ metadata: { name, generation: 1, annotations } }, { spec, status });
      }
      const { annotations: given, generation = 1 } = present.metadata ?? {};
      const automatic = given?.[autoUpdateSpec] ?? String(generation === 1);
      if ((!mandatory && automatic !== "true") || equalJson(dig(present, "spec"), spec)) return null;
      const object = structuredClone(present);
      object.metadata = { ...object.metadata, generation: generation + 1 };
      return Object.assign(object, { spec });
    },
  };
}

function roleObject(role: DefaultRole): DefaultObject {
  const { name, namespace } = role;
  return {
    info: namespace === "" ? clusterRoles : roles,
    namespace,
    name,
    wanted: (present) => {
      if (present === null) return newRole(role);
      if (isProtected(present)) return null;
      const merged = withDefaultMetadata(present, role.labels);
      const lacking = compactRules(missingRules(rulesOf(present), role.rules)).map(ruleObject);
      if (lacking.length > 0) Object.assign(merged.object, { rules: [...items(dig(present, "rules")), ...lacking] });
      return merged.changed || lacking.length > 0 ? merged.object : null;
    },
  };
}

function newRole(role: DefaultRole): KubeObject {
  const aggregation = role.aggregates === undefined
    ? {}
    : { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [role.aggregates]: "true" } }] } };
  const object = { metadata: newMetadata(role, role.labels), ...aggregation, rules: role.rules.map(ruleObject) };
  return object;
}

function bindingObject(binding: DefaultBinding): DefaultObject {
  const { name, namespace, role } = binding;
  return {
    info: namespace === "" ? clusterRoleBindings : roleBindings,
    namespace,
    name,
    wanted: (present) => {
      if (present === null) {
        const object = {
          metadata: newMetadata(binding, {}),
          roleRef: { apiGroup: rbacGroup, kind: role.kind, name: role.name },
          subjects: binding.subjects.map(subjectObject),
        };
        return object;
      }
      const known = bindingOf(present);
      // A binding's role cannot be changed: one that means another role is somebody else's.
      if (isProtected(present) || known.roleRef.kind !== role.kind || known.roleRef.name !== role.name) return null;
      const merged = withDefaultMetadata(present, {});
      const lacking = binding.subjects.filter((subject) => !known.subjects.some((it) => sameSubject(it, subject)));
      if (lacking.length > 0) {
        const subjects = [...items(dig(present, "subjects")), ...lacking.map(subjectObject)];
        Object.assign(merged.object, { subjects });
      }
      return merged.changed || lacking.length > 0 ? merged.object : null;
    },
  };
}

function sameSubject(a: Subject, b: Subject): boolean {
  return a.kind === b.kind && a.name === b.name && a.namespace === b.namespace;
}

function subjectObject({ kind, name, namespace }: Subject): Record<string, string> {
  return kind === "ServiceAccount" ? { kind, name, namespace } : { apiGroup: rbacGroup, kind, name };
}

function newMetadata(of: { name: string; namespace: string }, more: Readonly<Record<string, string>>) {
  return {
    name: of.name,
    ...(of.namespace === "" ? {} : { namespace: of.namespace }),
    labels: { ...labels, ...more },
    annotations: { [autoUpdate]: "true" },
  };
}

function isProtected(present: KubeObject): boolean {
  return present.metadata?.annotations?.[autoUpdate] === "false";
}

/** A copy with the labels and annotations that it lacks; values that differ are the administrator's. */
function withDefaultMetadata(present: KubeObject, more: Readonly<Record<string, string>>) {
  const object = structuredClone(present);
  const meta = object.metadata ??= {};
  meta.labels = { ...labels, ...more, ...record(meta.labels) as Record<string, string> };
  meta.annotations = { [autoUpdate]: "true", ...record(meta.annotations) as Record<string, string> };
  const changed = Object.keys(meta.labels).length !== Object.keys(record(present.metadata?.labels)).length ||
    Object.keys(meta.annotations).length !== Object.keys(record(present.metadata?.annotations)).length;
  return { object, changed };
}
