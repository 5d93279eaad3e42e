import type { KubeObject } from "../api/meta.ts";
import { atLeast, type Informer } from "../client/mod.ts";
import * as limits from "./limits.ts";

type Wait =
  & { readonly deadline: number }
  & (
    | { readonly kind: "version"; readonly informer: Informer<KubeObject>; readonly version: string }
    | { readonly kind: "gone"; readonly informer: Informer<KubeObject>; readonly key: string; readonly uid: string }
  );

/**
 * "A key is not reconciled again until the informers show its last writes": stands in for upstream's expectations
 * counters. After a deletion the informer must have lost the uid or show its deletionTimestamp. Each wait ends after
 * `limits.ownWriteTimeoutMs` at the latest, so that a lost event only delays.
 */
export class OwnWrites {
  readonly #waits = new Map<string, Wait[]>();

  wrote(key: string, informer: Informer<KubeObject>, version: string | undefined, now: number): void {
    if (version === undefined) return;
    this.#add(key, { kind: "version", informer, version, deadline: now + limits.ownWriteTimeoutMs });
  }

  deleted(key: string, informer: Informer<KubeObject>, object: { key: string; uid: string }, now: number): void {
    this.#add(key, { kind: "gone", informer, ...object, deadline: now + limits.ownWriteTimeoutMs });
  }

  /** Whether the informers show all that was written for `key`. @param now monotonic ms */
  isSeen(key: string, now: number): boolean {
    const left = (this.#waits.get(key) ?? []).filter((wait) => wait.deadline > now && !isSeen(wait));
    if (left.length === 0) this.#waits.delete(key);
    else this.#waits.set(key, left);
    return left.length === 0;
  }

  #add(key: string, wait: Wait): void {
    const waits = this.#waits.get(key) ?? [];
    // Of many writes through one informer the last is enough.
    const others = wait.kind === "version"
      ? waits.filter((each) =>
        each.kind !== "version" || each.informer !== wait.informer || !atLeast(wait.version, each.version)
      )
      : waits;
    this.#waits.set(key, [...others, wait]);
  }
}

function isSeen(wait: Wait): boolean {
  if (wait.kind === "version") return atLeast(wait.informer.resourceVersion, wait.version);
  const object = wait.informer.get(wait.key);
  return object?.metadata?.uid !== wait.uid || object.metadata.deletionTimestamp !== undefined;
}
