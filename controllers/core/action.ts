import type { KubeObject } from "../../api/meta.ts";
import type { ResourceInfo } from "../../api/resources.ts";

/** An Event to record. In `message`, `{name}` stands for the written object's name and `{error}` for what failed. */
export interface Announcement {
  readonly info: ResourceInfo;
  readonly about: Readonly<KubeObject>;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Makes what is announced about one object. */
export function announcer(
  info: ResourceInfo,
  about: Readonly<KubeObject>,
): (type: Announcement["type"], reason: string, message: string) => Announcement {
  return (type, reason, message) => ({ info, about, type, reason, message });
}

interface Announced {
  readonly done?: Announcement;
  readonly failed?: Announcement;
}

/**
 * What a core wants done, in order; the runner stops at the first failure. Each write carries its precondition: the
 * resourceVersion of the object it was decided on, or its uid.
 */
export type Action =
  | ({ readonly kind: "create"; readonly info: ResourceInfo; readonly object: KubeObject } & Announced)
  /** The same for many, by slow start: a failure in a batch keeps the later batches from being tried. */
  | ({ readonly kind: "createMany"; readonly info: ResourceInfo; readonly objects: readonly KubeObject[] } & Announced)
  /** PUT of the status; the object's resourceVersion is the precondition. */
  | { readonly kind: "updateStatus"; readonly info: ResourceInfo; readonly object: KubeObject }
  /** JSON merge patch. `object`'s uid and, unless `anyVersion`, its resourceVersion are the preconditions. */
  | ({
    readonly kind: "patch";
    readonly info: ResourceInfo;
    readonly object: Readonly<KubeObject>;
    readonly patch: Readonly<Record<string, unknown>>;
    readonly subresource?: string;
    readonly anyVersion?: boolean;
  } & Announced)
  | ({
    readonly kind: "delete";
    readonly info: ResourceInfo;
    readonly objects: readonly Readonly<KubeObject>[];
    readonly gracePeriodSeconds?: number;
    readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
    /** Refuse when the object changed since, not only when it is another one. */
    readonly sameVersion?: boolean;
  } & Announced)
  | { readonly kind: "announce"; readonly event: Announcement };

export interface Decision {
  readonly actions: readonly Action[];
  /** Milliseconds until the key must be reconciled again even if nothing changes. */
  readonly wakeAfterMs?: number;
}

/** The sooner of two waits. */
export function sooner(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

/** A decision without a wait when there is none. */
export function decide(actions: readonly Action[], wakeAfterMs?: number): Decision {
  return wakeAfterMs === undefined ? { actions } : { actions, wakeAfterMs: Math.max(0, wakeAfterMs) };
}

/** Structural equality of JSON values; an absent field equals one that is undefined. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  }
  const left = new Map(Object.entries(a).filter(([, value]) => value !== undefined));
  const right = Object.entries(b).filter(([, value]) => value !== undefined);
  return left.size === right.length && right.every(([key, value]) => sameJson(left.get(key), value));
}

/** `object` without the named fields that are 0: Go leaves them out, and a re-read status must equal the one written. */
export function withoutZeros<T extends object>(object: T, fields: readonly (keyof T)[]): T {
  const copy = { ...object };
  for (const field of fields) if (copy[field] === 0) delete copy[field];
  return copy;
}

/** Order of creation, then by name: the order in which cores go through objects. */
export function byCreation(a: Readonly<KubeObject>, b: Readonly<KubeObject>): number {
  return compare(a.metadata?.creationTimestamp ?? "", b.metadata?.creationTimestamp ?? "") ||
    compare(a.metadata?.name ?? "", b.metadata?.name ?? "");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
