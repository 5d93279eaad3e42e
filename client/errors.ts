import { NetworkError } from "../platform/mod.ts";

/** An apiserver answered with a failure; carries the Status of the answer. */
export { ApiError, errorFromBody } from "../api/status.ts";

/**
 * No apiserver answered. `outcome` is `notSent` when no connection could be opened (nothing happened), `unknown` when a
 * write may or may not have been carried out: re-read before trying again.
 */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly outcome: "notSent" | "unknown";
  constructor(outcome: "notSent" | "unknown", message: string, options?: ErrorOptions) {
    super(message, options);
    this.outcome = outcome;
  }
}

/** The object has gone, or never was. */
export function isNotFound(error: unknown): boolean {
  return failureCode(error) === 404;
}

/** A stale resourceVersion or uid precondition: read again, decide again. */
export function isConflict(error: unknown): boolean {
  return failureCode(error) === 409 && failureReason(error) !== "AlreadyExists";
}

export function isAlreadyExists(error: unknown): boolean {
  return failureCode(error) === 409 && failureReason(error) === "AlreadyExists";
}

/** The revision asked for is compacted: list again, then watch from there. */
export function isExpired(error: unknown): boolean {
  return failureCode(error) === 410 || failureReason(error) === "Expired" || failureReason(error) === "Gone";
}

/** Whether the failed request certainly never reached a server. */
export function wasNotSent(error: unknown): boolean {
  if (error instanceof TransportError) return error.outcome === "notSent";
  if (error instanceof NetworkError) return error.notSent;
  return false;
}

function failureCode(error: unknown): number {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : 0;
}

function failureReason(error: unknown): string {
  return error instanceof Error && "reason" in error && typeof error.reason === "string" ? error.reason : "";
}
