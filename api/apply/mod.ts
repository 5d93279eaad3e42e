/** Server-side apply and field ownership (KEP-555): pure functions over plain values and their types. */
export { type ApplyType, applyTypeOf, type ListKey, untyped } from "./types.ts";
export {
  conflictReport,
  decodeManagers,
  encodeManagers,
  type FieldConflict,
  type FieldManager,
  isReset,
  sameManagers,
} from "./managers.ts";
export { type Applied, applyConfig, type ApplyOptions, ownable, trackNew, trackUpdate, type Writer } from "./track.ts";
export { atomicPaths, mergeValues } from "./merge.ts";
export { compareValues, fieldSetOf } from "./walk.ts";
export { difference, type FieldSet, isEmpty, printedPaths, union } from "./field_set.ts";
