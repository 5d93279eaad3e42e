/** A DaemonSet's pods: where they belong, and what they are made of. */
import type { Affinity, DaemonSet, Node, Pod, PodTemplateSpec, Toleration } from "../../api/gen/types.ts";
import { compileAffinity, type CompiledAffinity, matchesRequired } from "../../api/node_selector.ts";
import { findUntoleratedTaint } from "../../api/pods.ts";
import { daemonSets } from "../../api/resources.ts";
import { podFromTemplate } from "./replica_pods.ts";

export const revisionLabel = "controller-revision-hash";
const generationLabel = "pod-template-generation";
const generationAnnotation = "deprecated.daemonset.template.generation";

/** `run`: a node is to have a pod. `stay`: it gets none, but keeps the one it has. `leave`: it must not have one. */
export type Verdict = "run" | "stay" | "leave";

/** What decides about nodes, compiled once for all of them. */
export interface Placement {
  readonly nodeName: string;
  readonly affinity: CompiledAffinity;
  readonly tolerations: readonly Toleration[];
}

export function placementOf(daemonSet: Readonly<DaemonSet>): Placement {
  const spec = daemonSet.spec?.template.spec;
  return {
    nodeName: spec?.nodeName ?? "",
    affinity: compileAffinity(spec === undefined ? {} : { spec }),
    tolerations: tolerationsOf(daemonSet.spec?.template ?? {}),
  };
}

export function verdictOn(node: Readonly<Node>, { nodeName, affinity, tolerations }: Placement): Verdict {
  if (nodeName !== "" && nodeName !== node.metadata?.name) return "leave";
  if (!matchesRequired(affinity, node)) return "leave";
  const taints = node.spec?.taints;
  if (findUntoleratedTaint(taints, tolerations, ["NoSchedule", "NoExecute"]) === undefined) return "run";
  return findUntoleratedTaint(taints, tolerations, ["NoExecute"]) === undefined ? "stay" : "leave";
}

/** Daemons stay where other pods would be evicted, and go where others are not sent. */
function tolerationsOf({ spec }: Readonly<PodTemplateSpec>): Toleration[] {
  const tolerated: [string, string][] = [
    ["not-ready", "NoExecute"],
    ["unreachable", "NoExecute"],
    ["disk-pressure", "NoSchedule"],
    ["memory-pressure", "NoSchedule"],
    ["pid-pressure", "NoSchedule"],
    ["unschedulable", "NoSchedule"],
    // A pod in the host's network needs no other.
    ...(spec?.hostNetwork === true ? [["network-unavailable", "NoSchedule"] satisfies [string, string]] : []),
  ];
  const all = [...spec?.tolerations ?? []];
  for (const [name, effect] of tolerated) {
    const added: Toleration = { key: `node.kubernetes.io/${name}`, operator: "Exists", effect };
    // A toleration for a time becomes one for ever.
    const at = all.findIndex(({ key, operator, effect, value = "" }) =>
      key === added.key && operator === added.operator && effect === added.effect && value === ""
    );
    if (at >= 0) all[at] = added;
    else all.push(added);
  }
  return all;
}

/** The DaemonSet's pod for one node: the ordinary scheduler sends it there. */
export function daemonPod(daemonSet: Readonly<DaemonSet>, nodeName: string, hash: string): Pod {
  const template = daemonSet.spec?.template ?? {};
  const generation = templateGeneration(daemonSet);
  const pod = podFromTemplate(daemonSets, daemonSet, template);
  return {
    metadata: {
      ...pod.metadata,
      labels: {
        ...template.metadata?.labels,
        ...(generation === undefined ? {} : { [generationLabel]: generation }),
        [revisionLabel]: hash,
      },
    },
    spec: {
      ...template.spec ?? { containers: [] },
      affinity: pinnedTo(nodeName, template.spec?.affinity),
      tolerations: tolerationsOf(template),
    },
  };
}

/** The template's own required terms have been judged already; the node's name takes their place. */
function pinnedTo(nodeName: string, affinity: Affinity | undefined): Affinity {
  const term = { matchFields: [{ key: "metadata.name", operator: "In", values: [nodeName] }] };
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
    },
  };
}

/** The node that the pod is on, or that it is meant for; undefined for an adopted pod that says neither. */
export function targetNode(pod: Readonly<Pod>): string | undefined {
  if (pod.spec?.nodeName) return pod.spec.nodeName;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  for (const { matchFields = [] } of required?.nodeSelectorTerms ?? []) {
    for (const { key, operator, values } of matchFields) {
      if (key === "metadata.name" && operator === "In" && values?.length === 1) return values[0];
    }
  }
  return undefined;
}

/** The annotation that the server counts; older clients know templates by it. */
export function templateGeneration({ metadata }: Readonly<DaemonSet>): string | undefined {
  const text = metadata?.annotations?.[generationAnnotation];
  return text !== undefined && /^-?[0-9]+$/.test(text) ? text : undefined;
}

/** By what the pods of the present template are known. */
export interface TemplateMark {
  /** The present revision's. */
  readonly hash: string;
  readonly generation: string | undefined;
}

/** Whether the pod is of the present template. */
export function isUpdated({ metadata }: Readonly<Pod>, { hash, generation }: TemplateMark): boolean {
  const labels = metadata?.labels;
  return labels?.[revisionLabel] === hash || (generation !== undefined && labels?.[generationLabel] === generation);
}
