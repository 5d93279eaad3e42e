/**
 * The Kubernetes object model. Rooms that must start fast import the file they need (`api/resources.ts`,
 * `api/quantity.ts`, ...) rather than this surface: codecs, patches and rules are left out of it for that reason.
 *
 * - `api/codec/mod.ts`: decode and encode JSON, YAML and msgpack by schema
 * - `api/patch/mod.ts`: JSON patch, merge patch, strategic merge patch
 * - `api/rules/mod.ts`: defaulting and validation per kind
 */
export * from "./meta.ts";
export * from "./resources.ts";
export * from "./schema.ts";
export * from "./quantity.ts";
export * from "./labels.ts";
export * from "./fields.ts";
export * from "./time.ts";
export * from "./pods.ts";
export * from "./qos.ts";
export * from "./int_or_string.ts";
export * as names from "./names.ts";
export * as fieldErrors from "./field_errors.ts";
export * as status from "./status.ts";
export { ApiError } from "./status.ts";
export type { Status, StatusCause, StatusDetails, StatusReason } from "./status.ts";
export type { FieldError } from "./field_errors.ts";
