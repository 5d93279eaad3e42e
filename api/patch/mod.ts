/** Patches over plain JSON values. What comes out must go through `decodeValue` of the codec before it is stored. */
export { PatchError, patchFailure, type PatchFault } from "./errors.ts";
export { applyJsonPatch, readJsonPatch } from "./json_patch.ts";
export { patchLimits } from "./limits.ts";
export { applyMergePatch, createMergePatch } from "./merge_patch.ts";
export { applyStrategicMergePatch } from "./strategic.ts";
export { clone, equalJson } from "../json_value.ts";
