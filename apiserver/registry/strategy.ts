import type { ApplyType } from "../../api/apply/mod.ts";
import type { Decoded, FieldValidation } from "../../api/codec/mod.ts";
import type { FieldError } from "../../api/field_errors.ts";
import type { CustomResourceSubresourceScale } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { ViewRules } from "../../api/rules/mod.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import type { Printer } from "../table/columns.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";

/** How a kind's objects are read from what a client sends. */
export interface ObjectCodec {
  /** @throws ApiError 400, 415 */
  decode(body: Uint8Array, contentType: string, validation: FieldValidation): Decoded<KubeObject>;
  /** The same for a value that is parsed already: a patch's result. @throws ApiError 400 */
  decodeValue(value: unknown, validation: FieldValidation): Decoded<KubeObject>;
}

/**
 * What the generic registry must know of a kind. Functions change the object they are given, which is the request's own
 * copy; `old` is read only.
 */
export interface Strategy {
  readonly info: ResourceInfo;
  readonly cache: ResourceCache;
  readonly codec: ObjectCodec;
  readonly printer: Printer;
  /** How server-side apply takes the kind apart; by default as the schema tables say. */
  readonly applyType?: ApplyType;
  /** PUT to a name that does not exist creates it. */
  readonly createsOnUpdate: boolean;
  /** PUT without a resourceVersion overwrites. */
  readonly updatesUnconditionally: boolean;
  /** DELETE answers with the object rather than a Status. */
  readonly returnsDeleted: boolean;
  /** Paths of spec.replicas, status.replicas and the selector, for `/scale` of custom resources. */
  readonly scale?: CustomResourceSubresourceScale | undefined;
  /** The object under another version of its resource; absent: there is but one. */
  convertTo?(object: KubeObject, apiVersion: string): Promise<KubeObject>;
  /** Told to every client that uses the resource. */
  readonly warning?: string;
  /** Loads what the functions below need; called before a write. */
  prepare?(): Promise<void>;
  setDefaults(object: KubeObject): void;
  prepareForCreate(object: KubeObject): void;
  /** Changes the object when it is first asked to go. */
  prepareForDelete?(object: KubeObject): void;
  prepareForUpdate(object: KubeObject, old: KubeObject): void;
  /** For PUT and PATCH of `/status`: keeps everything else as it was. */
  prepareForStatusUpdate(object: KubeObject, old: KubeObject): void;
  /** The same for `/approval`. */
  /** Sub-resources, by name, that change one part of the object. */
  readonly views?: Readonly<Record<string, ViewRules>>;
  prepareForApproval?(object: KubeObject, old: KubeObject): void;
  validateApproval?(object: KubeObject, old: KubeObject): readonly FieldError[];
  validateCreate(object: KubeObject): readonly FieldError[];
  validateUpdate(object: KubeObject, old: KubeObject): readonly FieldError[];
  validateStatusUpdate(object: KubeObject, old: KubeObject): readonly FieldError[];
}
