import {
  type FieldError,
  fieldErrorText,
  forbidden,
  invalid as invalidField,
  notSupported,
} from "../../api/field_errors.ts";
import { quote } from "../../api/go_text.ts";
import { ApiError, badRequest, failure, invalid } from "../../api/status.ts";
import { isTrue } from "../request_info.ts";

export interface ListOptions {
  readonly resourceVersion: string;
  readonly resourceVersionMatch: "" | "Exact" | "NotOlderThan";
  /** 0: none. */
  readonly limit: number;
  readonly continueToken: string;
  /** 0: the server chooses. */
  readonly timeoutSeconds: number;
  readonly allowWatchBookmarks: boolean;
  /** Undefined: not said. */
  readonly sendInitialEvents: boolean | undefined;
}

/** Reads and checks the query of a list or watch, as upstream's ValidateListOptions. */
export function listOptions(query: URLSearchParams, watch: boolean): ListOptions {
  const resourceVersion = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const send = query.get("sendInitialEvents");
  const options = {
    resourceVersion,
    limit: wholeNumber(query, "limit"),
    continueToken: query.get("continue") ?? "",
    timeoutSeconds: wholeNumber(query, "timeoutSeconds"),
    allowWatchBookmarks: isTrue(query.get("allowWatchBookmarks")),
    sendInitialEvents: send === null ? undefined : isTrue(send),
  };
  const problems = watch
    ? watchProblems(match, options.sendInitialEvents)
    : listProblems(match, resourceVersion, options.continueToken, options.sendInitialEvents);
  if (problems.length > 0) throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", problems);
  if (watch) checkRevision(resourceVersion);
  else {
    const problem = revisionProblem(resourceVersion);
    if (problem !== null) throw badRequest(`invalid resource version: ${problem}`);
  }
  return { ...options, resourceVersionMatch: match as ListOptions["resourceVersionMatch"] };
}

/** Of a GET or watch. @throws ApiError 422, without details: what upstream makes of its storage's error */
export function checkRevision(resourceVersion: string): void {
  const problem = revisionProblem(resourceVersion);
  if (problem !== null) throw new ApiError(failure("Invalid", problem));
}

const revisionMax = 2n ** 64n - 1n;

/** What Go's strconv.ParseUint says of it; null when it is a revision, if only one of the far future. */
function revisionProblem(text: string): string | null {
  const isNumber = /^\d*$/.test(text);
  if (isNumber && BigInt(text) <= revisionMax) return null;
  const why = isNumber ? "value out of range" : "invalid syntax";
  const detail = `strconv.ParseUint: parsing ${quote(text)}: ${why}`;
  return fieldErrorText(invalidField("resourceVersion", text, detail));
}

function wholeNumber(query: URLSearchParams, name: string): number {
  const value = query.get(name) ?? "";
  if (value === "") return 0;
  if (!/^[+-]?\d{1,15}$/.test(value)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  return Math.max(0, Number(value));
}

const matchField = "resourceVersionMatch";

function listProblems(match: string, version: string, token: string, send: boolean | undefined): FieldError[] {
  const problems: FieldError[] = [];
  if (send !== undefined) {
    problems.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  if (match === "") return problems;
  if (version === "") {
    problems.push(forbidden(matchField, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
  }
  if (token !== "") {
    problems.push(forbidden(matchField, "resourceVersionMatch is forbidden when continue is provided"));
  }
  if (match !== "Exact" && match !== "NotOlderThan") {
    problems.push(notSupported(matchField, match, ["Exact", "NotOlderThan", ""]));
  }
  if (match === "Exact" && version === "0") {
    problems.push(forbidden(matchField, `resourceVersionMatch "exact" is forbidden for resourceVersion "0"`));
  }
  return problems;
}

function watchProblems(match: string, send: boolean | undefined): FieldError[] {
  const problems: FieldError[] = [];
  if (send !== undefined && match === "") {
    problems.push(
      forbidden(matchField, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
    );
  }
  if (send === undefined && match !== "") {
    problems.push(
      forbidden(matchField, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
    );
  }
  if (match !== "" && match !== "NotOlderThan") {
    problems.push(notSupported(matchField, match, ["NotOlderThan"]));
  }
  return problems;
}
