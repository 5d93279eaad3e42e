import { ApiError, badRequest, requestEntityTooLarge, statusCodes } from "../status.ts";

/** `malformed`: no patch of its kind (400). `too-large`: over a limit (413). `inapplicable`: to this object (422). */
export type PatchFault = "malformed" | "too-large" | "inapplicable";

/** A patch that cannot be applied. */
export class PatchError extends Error {
  override readonly name = "PatchError";
  readonly fault: PatchFault;

  constructor(fault: PatchFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** The answer for a patch that failed. */
export function patchFailure(error: PatchError): ApiError {
  switch (error.fault) {
    case "malformed":
      return badRequest(error.message);
    case "too-large":
      return requestEntityTooLarge(error.message);
    case "inapplicable":
      // Upstream's sentence, which keeps to itself what it was: kubectl prints a cause instead of it, and without its field.
      return new ApiError({
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: "the server rejected our request due to an error in our request",
        reason: "Invalid",
        details: {},
        code: statusCodes.Invalid,
      });
  }
}
