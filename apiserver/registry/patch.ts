import type { FieldValidation } from "../../api/codec/mod.ts";
import { unsupportedMediaType } from "../../api/status.ts";
import type { Registry, WriteContext, Written } from "./context.ts";
import type { UpdateTarget } from "./update.ts";

export interface PatchRequest {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly fieldValidation: FieldValidation;
  readonly warnings: string[];
}

export async function patch(
  _registry: Registry,
  _context: WriteContext,
  _target: UpdateTarget,
  _request: PatchRequest,
): Promise<Written> {
  await Promise.resolve();
  throw unsupportedMediaType([]);
}
