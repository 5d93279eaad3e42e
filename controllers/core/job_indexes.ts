/** Completion indexes of an Indexed Job, and how its status spells sets of them. */
import type { Pod } from "../../api/gen/types.ts";

export const completionIndexKey = "batch.kubernetes.io/job-completion-index";
/** Failures of an index so far, on its latest pod: those that count, and those that the failure policy ignored. */
export const failureCountKey = "batch.kubernetes.io/job-index-failure-count";
export const ignoredFailureCountKey = "batch.kubernetes.io/job-index-ignored-failure-count";

const completionIndexEnv = "JOB_COMPLETION_INDEX";
/** Of a generated name, what comes before the five characters at its end. */
const generateNameMax = 58;

/** The pod's index; undefined when it has none that makes sense. */
export function completionIndexOf(pod: Readonly<Pod>): number | undefined {
  const text = pod.metadata?.annotations?.[completionIndexKey] ?? "";
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Reads `0-2,5`; indexes from `completions` on, which a Job that shrank may still list, are left out. */
export function parseIndexes(text: string | undefined, completions: number): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? "").split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) continue;
    const last = Math.min(Number(match[2] ?? match[1]), completions - 1);
    for (let index = Number(match[1]); index <= last; index++) indexes.add(index);
  }
  return indexes;
}

/** Two neighbours are listed, three or more are a range: `0,1,4-6`. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let at = 0; at < sorted.length;) {
    let end = at;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    const [first, last] = [sorted[at], sorted[end]];
    parts.push(end === at ? `${first}` : `${first}${end === at + 1 ? "," : "-"}${last}`);
    at = end + 1;
  }
  return parts.join(",");
}

/** The lowest `count` indexes that are not in any of `taken`. */
export function firstPending(taken: readonly ReadonlySet<number>[], count: number, completions: number): number[] {
  const pending: number[] = [];
  for (let index = 0; index < completions && pending.length < count; index++) {
    if (!taken.some((set) => set.has(index))) pending.push(index);
  }
  return pending;
}

/** Gives a pod its index: in annotation, label, name, host name, and the environment of every container. */
export function withIndex(pod: Pod, jobName: string, index: number, counts: Readonly<Record<string, string>>): Pod {
  const suffix = `-${index}-`;
  const env = {
    name: completionIndexEnv,
    valueFrom: { fieldRef: { fieldPath: `metadata.labels['${completionIndexKey}']` } },
  };
  const withEnv = <T extends { env?: { name: string }[] }>(container: T): T =>
    container.env?.some(({ name }) => name === completionIndexEnv) === true
      ? container
      : { ...container, env: [...container.env ?? [], env] };
  const { spec, metadata } = pod;
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: jobName.slice(0, generateNameMax - suffix.length) + suffix,
      labels: { ...metadata?.labels, [completionIndexKey]: String(index) },
      annotations: { ...metadata?.annotations, [completionIndexKey]: String(index), ...counts },
    },
    ...(spec === undefined ? {} : {
      spec: {
        ...spec,
        hostname: `${jobName}-${index}`,
        containers: spec.containers.map(withEnv),
        ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(withEnv) }),
      },
    }),
  };
}
