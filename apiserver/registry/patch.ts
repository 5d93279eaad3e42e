import { type FieldValidation, parsePatchBody } from "../../api/codec/mod.ts";
import type { KubeObject } from "../../api/meta.ts";
import {
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  PatchError,
  patchFailure,
} from "../../api/patch/mod.ts";
import { findSchema } from "../../api/schema.ts";
import { badRequest, unsupportedMediaType } from "../../api/status.ts";
import { limits } from "../limits.ts";
import type { Registry, WriteContext, Written } from "./context.ts";
import { applyPatchType } from "./apply.ts";
import { checkNamespace } from "./create.ts";
import { patchDecodeFailure } from "./patch_failure.ts";
import { change, type UpdateTarget } from "./update.ts";

export interface PatchRequest {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly fieldValidation: FieldValidation;
  /** Gets what is to be warned of. */
  readonly warnings: string[];
}

/** From the present value to the wanted one. */
export type Patcher = (current: unknown) => unknown;

/** What a 415 lists. */
export const patchTypes = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  applyPatchType,
] as const;

/** What a custom resource takes: strategic merges need a type that is compiled in. */
const customPatchTypes = patchTypes.filter((type) => type !== "application/strategic-merge-patch+json");

/**
 * Reads a patch of any kind but apply, which is a way of its own (apply.ts).
 * @param type full type name, for strategic merges @throws ApiError 400, 413, 415, and from the patcher 422
 */
export function readPatch(body: Uint8Array, contentType: string, type: string): Patcher {
  const media = (contentType.split(";")[0] as string).trim().toLowerCase();
  const known = findSchema(type) === undefined ? customPatchTypes : patchTypes;
  if (media === applyPatchType || !known.some((each) => each === media)) throw unsupportedMediaType(known);
  const patch = parsePatchBody(body, false);
  return (current) => {
    try {
      switch (media) {
        case "application/json-patch+json":
          return applyJsonPatch(current, patch);
        case "application/merge-patch+json":
          return applyMergePatch(current, patch);
        default:
          return applyStrategicMergePatch(current, patch, type);
      }
    } catch (error) {
      if (error instanceof PatchError) throw patchFailure(error);
      throw error;
    }
  };
}

/** PATCH: applied to the newest state, again after each conflict, at most {@linkcode limits.patchAttempts} times. */
export async function patch(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  request: PatchRequest,
): Promise<Written> {
  const { codec, info } = target.strategy;
  const apply = readPatch(request.body, request.contentType, info.type);
  let warnings: readonly string[] = [];
  const strategic = request.contentType.includes("strategic-merge-patch");
  const decode = (result: unknown) => {
    try {
      return codec.decodeValue(result, request.fieldValidation);
    } catch (error) {
      throw patchDecodeFailure(error, { strategic, patch: parsePatchBody(request.body, false), result });
    }
  };
  const desired = (current: KubeObject): KubeObject => {
    const decoded = decode(apply(current));
    warnings = decoded.warnings;
    const { object } = decoded;
    checkNamespace(target.strategy, object, target.namespace);
    if (object.metadata?.name !== target.name) {
      const given = object.metadata?.name ?? "";
      throw badRequest(`the name of the object (${given}) does not match the name on the URL (${target.name})`);
    }
    return object;
  };
  const written = await change(registry, context, target, desired, limits.patchAttempts);
  request.warnings.push(...warnings);
  return written;
}
