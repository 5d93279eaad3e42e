import type { FieldError } from "../../api/field_errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";

/**
 * What the generic registry must know of a kind. Functions change the object they are given, which is the request's own
 * copy; `old` is read only.
 */
export interface Strategy {
  readonly info: ResourceInfo;
  readonly cache: ResourceCache;
  /** PUT to a name that does not exist creates it. */
  readonly createsOnUpdate: boolean;
  /** PUT without a resourceVersion overwrites. */
  readonly updatesUnconditionally: boolean;
  /** DELETE answers with the object rather than a Status. */
  readonly returnsDeleted: boolean;
  setDefaults(object: KubeObject): void;
  prepareForCreate(object: KubeObject): void;
  prepareForUpdate(object: KubeObject, old: KubeObject): void;
  /** For PUT and PATCH of `/status`: keeps everything else as it was. */
  prepareForStatusUpdate(object: KubeObject, old: KubeObject): void;
  validateCreate(object: KubeObject): readonly FieldError[];
  validateUpdate(object: KubeObject, old: KubeObject): readonly FieldError[];
  validateStatusUpdate(object: KubeObject, old: KubeObject): readonly FieldError[];
}
