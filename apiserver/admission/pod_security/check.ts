import type { Container, ObjectMeta, PodSpec } from "../../../api/gen/types.ts";
import { compareStrings } from "../../../api/go_text.ts";

/** What a check looks at: a pod, or the template of one. */
export interface Subject {
  readonly metadata: ObjectMeta;
  readonly spec: PodSpec;
}

/** Why a pod is refused: in a word, and in detail. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

/** One rule of the Pod Security Standards. */
export interface Check {
  /** The first v1 minor whose policy has it. */
  readonly since: number;
  /** Not for pods of Windows, which lack what it is about (from v1.25 on). */
  readonly linuxOnly?: boolean;
  /** A rule of the stricter level that says it all. */
  readonly coveredBy?: string;
  readonly id: string;
  /** @param minor the policy's version */
  run(subject: Subject, minor: number): Violation | null;
}

/** All of a pod's containers: init containers, containers, ephemeral ones. */
export function containersOf(spec: PodSpec): Container[] {
  return [...spec.initContainers ?? [], ...spec.containers ?? [], ...spec.ephemeralContainers ?? []] as Container[];
}

/** Names of the containers that are bad. */
export function badContainers(spec: PodSpec, isBad: (container: Container) => boolean): string[] {
  return containersOf(spec).filter(isBad).map((container) => container.name);
}

export function joinQuoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/** `container "a"` or `containers "a", "b"` */
export function containerText(names: readonly string[]): string {
  return `${plural("container", names.length)} ${joinQuoted(names)}`;
}

export function plural(noun: string, count: number): string {
  return count === 1 ? noun : `${noun}s`;
}

/** `pod and container "a"`: who set a bad value. */
export function settersText(isPodBad: boolean, names: readonly string[]): string {
  return [...(isPodBad ? ["pod"] : []), ...(names.length > 0 ? [containerText(names)] : [])].join(" and ");
}

export function sortedSet(values: Iterable<string>): string[] {
  return [...new Set(values)].sort(compareStrings);
}
