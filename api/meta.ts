/** The parts of Kubernetes objects that every room touches; all other types are in `api/gen/types.ts`. */
import type { ObjectMeta } from "./gen/types.ts";

/** `resourceVersion` is opaque outside the store, the watch cache and `client`'s one comparison. */
export type { ObjectMeta, OwnerReference } from "./gen/types.ts";

export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}
