import { aggregateText, type FieldError } from "./field_errors.ts";
import { quote } from "./go_text.ts";

/** The closed set of failures at the wire, each with its one HTTP code. */
export const statusCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  Gone: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServerTimeout: 500,
  StoreReadError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof statusCodes;

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: Record<string, never>;
  status: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

/** `group` "" and plural `resource`, as in {@linkcode ResourceInfo}. */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

/** A failed request: carries the Status that the client gets. Made by the constructors below, or from an answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: Status;

  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? status.reason ?? "unknown failure", options);
    this.status = status;
  }

  get code(): number {
    return this.status.code ?? 500;
  }

  get reason(): string {
    return this.status.reason ?? "Unknown";
  }

  get retryAfterSeconds(): number | undefined {
    return this.status.details?.retryAfterSeconds;
  }

  /** Whether a cause of this reason is named. */
  hasCause(reason: string): boolean {
    return this.status.details?.causes?.some((cause) => cause.reason === reason) ?? false;
  }
}

/** A failure's Status. */
export function failure(reason: StatusReason, message: string, details?: StatusDetails): Status {
  const status: Status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason };
  if (details !== undefined) status.details = details;
  status.code = statusCodes[reason];
  return status;
}

/** What a DELETE answers when the object is gone. */
export function deletedStatus(of: GroupResource, name: string, uid: string): Status {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: detailsOf(of.group, of.resource, name, { uid }),
  };
}

function detailsOf(group: string, kind: string, name: string, more: StatusDetails = {}): StatusDetails {
  const details: StatusDetails = {};
  if (name !== "") details.name = name;
  if (group !== "") details.group = group;
  if (kind !== "") details.kind = kind;
  return Object.assign(details, more);
}

/** `pods` or `deployments.apps`. */
export function resourceText(of: GroupResource): string {
  return of.group === "" ? of.resource : `${of.resource}.${of.group}`;
}

function kindText(of: GroupKind): string {
  return of.group === "" ? of.kind : `${of.kind}.${of.group}`;
}

/** 404. */
export function notFound(of: GroupResource, name: string): ApiError {
  const message = `${resourceText(of)} ${quote(name)} not found`;
  return new ApiError(failure("NotFound", message, detailsOf(of.group, of.resource, name)));
}

/** 404 for a path that names no resource. */
export function pathNotFound(): ApiError {
  return new ApiError(failure("NotFound", "the server could not find the requested resource", {}));
}

/** 409. */
export function alreadyExists(of: GroupResource, name: string): ApiError {
  const message = `${resourceText(of)} ${quote(name)} already exists`;
  return new ApiError(failure("AlreadyExists", message, detailsOf(of.group, of.resource, name)));
}

/** 409 after all attempts to generate a name met existing objects. */
export function generateNameConflict(of: GroupResource, name: string, retryAfterSeconds: number): ApiError {
  const message = `${resourceText(of)} ${quote(name)} already exists, ` +
    "the server was not able to generate a unique name for the object";
  return new ApiError(
    failure("AlreadyExists", message, detailsOf(of.group, of.resource, name, { retryAfterSeconds })),
  );
}

/** Why an update with an old resourceVersion is refused. */
export const staleObjectText =
  "the object has been modified; please apply your changes to the latest version and try again";

/** 409. @param why the rest of the sentence; by default that the resourceVersion is old */
export function conflict(of: GroupResource, name: string, why: string = staleObjectText): ApiError {
  const message = `Operation cannot be fulfilled on ${resourceText(of)} ${quote(name)}: ${why}`;
  return new ApiError(failure("Conflict", message, detailsOf(of.group, of.resource, name)));
}

/** 409 for an apply that would change what others own. @param causes one for every field */
export function applyConflict(message: string, causes: readonly StatusCause[]): ApiError {
  return new ApiError(failure("Conflict", message, { causes: [...causes] }));
}

/** 500 without a reason: what upstream makes of an error that it has no Status for. */
export function plainFailure(message: string): ApiError {
  return new ApiError({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, code: 500 });
}

/** 422. `causes` keep their order; the message joins them as upstream does. */
export function invalid(of: GroupKind, name: string, causes: readonly FieldError[]): ApiError {
  const head = `${kindText(of)} ${quote(name)} is invalid`;
  const message = causes.length === 0 ? head : `${head}: ${aggregateText(causes)}`;
  const list = causes.map((cause) => ({ reason: cause.reason, message: cause.message, field: cause.field }));
  return new ApiError(failure("Invalid", message, detailsOf(of.group, of.kind, name, { causes: list })));
}

/** 400. */
export function badRequest(message: string): ApiError {
  return new ApiError(failure("BadRequest", message));
}

/** 401. */
export function unauthorized(message = "Unauthorized"): ApiError {
  return new ApiError(failure("Unauthorized", message));
}

/** 403. */
export function forbidden(of: GroupResource, name: string, why: string, causes?: StatusCause[]): ApiError {
  const more: StatusDetails = causes === undefined ? {} : { causes };
  let message: string;
  if (of.group === "" && of.resource === "") message = `forbidden: ${why}`;
  else if (name === "") message = `${resourceText(of)} is forbidden: ${why}`;
  else message = `${resourceText(of)} ${quote(name)} is forbidden: ${why}`;
  return new ApiError(failure("Forbidden", message, detailsOf(of.group, of.resource, name, more)));
}

/** 405. @param action e.g. `patch` */
export function methodNotAllowed(of: GroupResource, action: string): ApiError {
  const message = `${action} is not supported on resources of kind ${quote(resourceText(of))}`;
  return new ApiError(failure("MethodNotAllowed", message, detailsOf(of.group, of.resource, "")));
}

/** 406. @param accepted the media types that could be answered */
export function notAcceptable(accepted: readonly string[]): ApiError {
  const message = `only the following media types are accepted: ${accepted.join(", ")}`;
  return new ApiError(failure("NotAcceptable", message));
}

/** 415. @param accepted the media types that could be read */
export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  const message = "the body of the request was in an unknown format - accepted media types include: " +
    accepted.join(", ");
  return new ApiError(failure("UnsupportedMediaType", message));
}

/** 413. */
export function requestEntityTooLarge(message: string): ApiError {
  return new ApiError(failure("RequestEntityTooLarge", `Request entity too large: ${message}`));
}

/** 410: a compacted resourceVersion. The client must list again. */
export function expired(message: string): ApiError {
  return new ApiError(failure("Expired", message));
}

/** 410 without the promise that listing again helps. */
export function gone(message: string): ApiError {
  return new ApiError(failure("Gone", message));
}

/** 429. */
export function tooManyRequests(message: string, retryAfterSeconds: number, causes?: StatusCause[]): ApiError {
  const details: StatusDetails = causes === undefined ? { retryAfterSeconds } : { causes, retryAfterSeconds };
  return new ApiError(failure("TooManyRequests", message, details));
}

/** 500. `error` goes into the message: pass nothing that a client must not read. */
export function internal(error: unknown): ApiError {
  const text = error instanceof Error ? error.message : String(error);
  const status = failure("InternalError", `Internal error occurred: ${text}`, { causes: [{ message: text }] });
  return new ApiError(status, { cause: error });
}

/** 500: nothing happened, and trying again may help. @param operation e.g. `create` */
export function serverTimeout(of: GroupResource, operation: string, retryAfterSeconds: number): ApiError {
  const message = `The ${operation} operation against ${resourceText(of)} could not be completed at this time, ` +
    "please try again.";
  return new ApiError(
    failure("ServerTimeout", message, detailsOf(of.group, of.resource, operation, { retryAfterSeconds })),
  );
}

/** 504: the operation may still have happened. */
export function timeout(message: string, retryAfterSeconds = 0): ApiError {
  const details: StatusDetails = retryAfterSeconds > 0 ? { retryAfterSeconds } : {};
  return new ApiError(failure("Timeout", `Timeout: ${message}`, details));
}

/** 504: a read asked for a resourceVersion that this server has not reached in time. */
export function resourceVersionTooLarge(requested: string | number, current: string | number): ApiError {
  const text = `Too large resource version: ${requested}, current: ${current}`;
  return new ApiError(failure("Timeout", `Timeout: ${text}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  }));
}

/** 503. */
export function serviceUnavailable(message: string, retryAfterSeconds = 0): ApiError {
  const details: StatusDetails | undefined = retryAfterSeconds > 0 ? { retryAfterSeconds } : undefined;
  return new ApiError(failure("ServiceUnavailable", message, details));
}

/**
 * The error that an answer's body stands for. A body that is no Status becomes one that keeps `code`.
 * @param body the parsed body, if it could be parsed
 */
export function errorFromBody(code: number, body: unknown): ApiError {
  if (typeof body === "object" && body !== null && "kind" in body && body.kind === "Status") {
    // The fields are read one by one, since a proxy or an old server may send anything.
    const raw = body as Record<string, unknown>;
    const status: Status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", code };
    if (typeof raw.message === "string") status.message = raw.message;
    if (typeof raw.reason === "string") status.reason = raw.reason;
    if (typeof raw.code === "number") status.code = raw.code;
    if (typeof raw.details === "object" && raw.details !== null) status.details = raw.details as StatusDetails;
    return new ApiError(status);
  }
  const message = typeof body === "string" && body !== "" ? body : `the server answered with code ${code}`;
  return new ApiError({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, code });
}
