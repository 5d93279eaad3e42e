import { NetworkError } from "../platform/mod.ts";
import type { ApiFailure } from "./types.ts";

/** The part of a `Status` that callers act on. */
export interface FailureStatus {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number };
}

/** An apiserver answered with a failure. `status` is its body, or one made from the HTTP status when it had none. */
export class ApiError extends Error implements ApiFailure {
  override readonly name = "ApiError";
  readonly code: number;
  readonly reason: string;
  readonly status: FailureStatus;
  readonly retryAfterSeconds?: number;

  constructor(status: FailureStatus, options?: ErrorOptions & { retryAfterSeconds?: number }) {
    super(status.message ?? `The server answered ${status.code ?? 0} ${status.reason ?? ""}`.trim(), options);
    this.code = status.code ?? 0;
    this.reason = status.reason ?? "";
    this.status = status;
    const retryAfter = options?.retryAfterSeconds ?? status.details?.retryAfterSeconds;
    if (retryAfter !== undefined && retryAfter > 0) this.retryAfterSeconds = retryAfter;
  }
}

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
