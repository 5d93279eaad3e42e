import type { PersistentVolumeClaim } from "../../api/gen/types.ts";
import { compareStrings } from "../../api/go_text.ts";
import type { KubeObject } from "../../api/meta.ts";
import { storageClasses } from "../../api/resources.ts";
import type { Registry } from "../registry/context.ts";
import { parseCached } from "../watchcache/cached.ts";

const defaultMarks = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
];

/** A claim that names no class gets the default one, the newest of several; `""` means that none is wanted. */
export function setDefaultStorageClass(registry: Registry, object: KubeObject): void {
  const { metadata, spec } = object as PersistentVolumeClaim;
  if (spec === undefined || spec.storageClassName !== undefined) return;
  if (metadata?.annotations?.["volume.beta.kubernetes.io/storage-class"] !== undefined) return;
  const defaults = registry.strategy(storageClasses).cache.list("").map((cached) => parseCached(cached))
    .filter((it) => defaultMarks.some((mark) => it.metadata?.annotations?.[mark] === "true"))
    .sort((a, b) =>
      compareStrings(b.metadata?.creationTimestamp ?? "", a.metadata?.creationTimestamp ?? "") ||
      compareStrings(a.metadata?.name ?? "", b.metadata?.name ?? "")
    );
  const name = defaults[0]?.metadata?.name;
  if (name !== undefined) spec.storageClassName = name;
}
