import type { ObjectMeta, Pod, PodSpec, PodTemplateSpec } from "../../../api/gen/types.ts";
import { compareStrings } from "../../../api/go_text.ts";
import type { Labels } from "../../../api/labels.ts";
import type { KubeObject } from "../../../api/meta.ts";
import {
  cronJobs,
  daemonSets,
  deployments,
  jobs,
  namespaces,
  pods,
  podTemplates,
  replicaSets,
  replicationControllers,
  type ResourceInfo,
  statefulSets,
} from "../../../api/resources.ts";
import { forbidden, invalid } from "../../../api/status.ts";
import { dig, isRecord, record } from "../../dig.ts";
import { limits } from "../../limits.ts";
import type { Registry, WriteContext } from "../../registry/context.ts";
import { parseCached } from "../../watchcache/cached.ts";
import type { Subject, Violation } from "./check.ts";
import { detailText, reasonText, violations } from "./evaluate.ts";
import { isStricter, levelText, type LevelVersion, type Policy, policyOf, sameLevel } from "./policy.ts";

/**
 * PodSecurity: pods must keep to the level that their namespace enforces; what it warns of is a Warning header, for
 * workloads too, whose pods would be refused later.
 * @param old null for a new object
 * @see KEP-2579; kubernetes staging/src/k8s.io/pod-security-admission/admission
 */
export function admitPodSecurity(
  registry: Registry,
  context: WriteContext,
  info: ResourceInfo,
  object: KubeObject,
  old: KubeObject | null,
): void {
  if (info === namespaces) return admitNamespace(registry, context, object, old);
  const subject = subjectOf(info, object);
  if (subject === null || (info === pods && old !== null && !isSignificant(object as Pod, old as Pod))) return;
  const cached = registry.strategy(namespaces).cache.get("", object.metadata?.namespace ?? "");
  if (cached === undefined) return;
  const { policy } = policyOf(labelsOf(cached.parsed));
  if (info === pods) enforce(policy, subject, object.metadata?.name ?? "");
  const warned = violations(policy.warn, subject);
  if (warned.length > 0) {
    context.warnings.push(`would violate PodSecurity "${levelText(policy.warn)}": ${detailText(warned)}`);
  }
}

function enforce(policy: Policy, subject: Subject, name: string): void {
  const found = violations(policy.enforce, subject);
  if (found.length === 0) return;
  throw forbidden(pods, name, `violates PodSecurity "${levelText(policy.enforce)}": ${detailText(found)}`);
}

function admitNamespace(registry: Registry, context: WriteContext, object: KubeObject, old: KubeObject | null): void {
  const wanted = policyOf(labelsOf(object));
  const before = old === null ? null : policyOf(labelsOf(old));
  const isNew = JSON.stringify(wanted.problems) !== JSON.stringify(before?.problems ?? []);
  if (wanted.problems.length > 0 && isNew) {
    throw invalid({ group: "", kind: "Namespace" }, object.metadata?.name ?? "", wanted.problems);
  }
  if (before === null) return;
  const { enforce: now } = wanted.policy;
  const { enforce: then } = before.policy;
  const isLaxer = now.minor === then.minor && !isStricter(now.level, then.level);
  if (now.level === "privileged" || sameLevel(now, then) || isLaxer) return;
  context.warnings.push(...warningsForPods(registry, object.metadata?.name ?? "", now));
}

/** What of the pods that are there already a stricter level would refuse; they stay. */
function warningsForPods(registry: Registry, namespace: string, level: LevelVersion): string[] {
  const all = registry.strategy(pods).cache.list(namespace);
  const checked = all.slice(0, limits.podSecurityPods);
  const byReason = new Map<string, string[]>();
  for (const cached of checked) {
    const subject = subjectOf(pods, parseCached(cached));
    const found: Violation[] = subject === null ? [] : violations(level, subject);
    if (found.length === 0) continue;
    const reason = reasonText(found);
    byReason.set(reason, [...byReason.get(reason) ?? [], cached.name]);
  }
  const warnings: string[] = [];
  if (checked.length < all.length) {
    warnings.push(
      `new PodSecurity enforce level only checked against the first ${checked.length} of ${all.length} existing pods`,
    );
  }
  if (byReason.size === 0) return warnings;
  const head = `existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "${
    levelText(level)
  }"`;
  return [...warnings, head, ...[...byReason].map(([reason, names]) => podsText(names, reason)).sort(compareStrings)];
}

function podsText(names: readonly string[], reason: string): string {
  const [first = "", ...others] = [...names].sort(compareStrings);
  if (others.length === 0) return `${first}: ${reason}`;
  return `${first} (and ${others.length} other ${others.length === 1 ? "pod" : "pods"}): ${reason}`;
}

/** The pod that an object is or makes; null where there is none. */
function subjectOf(info: ResourceInfo, object: KubeObject): Subject | null {
  if (info === pods) return subject(object.metadata, dig(object, "spec"));
  const template = templateOf(info, object) as PodTemplateSpec | undefined;
  return template === undefined ? null : subject(template.metadata, template.spec);
}

/** A template of the wrong shape never gets here: decoding has refused it. */
function subject(metadata: ObjectMeta | undefined, spec: unknown): Subject | null {
  return isRecord(spec) ? { metadata: metadata ?? {}, spec: spec as unknown as PodSpec } : null;
}

function templateOf(info: ResourceInfo, object: KubeObject): unknown {
  switch (info) {
    case podTemplates:
      return dig(object, "template");
    case cronJobs:
      return dig(object, "spec", "jobTemplate", "spec", "template");
    case daemonSets:
    case deployments:
    case jobs:
    case replicaSets:
    case replicationControllers:
    case statefulSets:
      return dig(object, "spec", "template");
  }
  return undefined;
}

/** Of what may change in a pod, images and ephemeral containers matter here. */
function isSignificant(pod: Pod, old: Pod): boolean {
  const parts = (of: Pod) => {
    const { containers = [], initContainers = [], ephemeralContainers = [] } = of.spec ?? {} as PodSpec;
    return [containers, initContainers, ephemeralContainers].map((list) =>
      list.map(({ name, image }) => [name, image])
    );
  };
  return JSON.stringify(parts(pod)) !== JSON.stringify(parts(old));
}

function labelsOf(object: KubeObject): Labels {
  return record(object.metadata?.labels) as Labels;
}
