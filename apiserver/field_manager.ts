import { type FieldError, forbidden, invalid as invalidField, required, tooLong } from "../api/field_errors.ts";
import { invalid } from "../api/status.ts";
import type { Exchange } from "./exchange.ts";
import { applyPatchType } from "./registry/apply.ts";
import { isTrue } from "./request_info.ts";

/** Longest name of a field manager, in bytes; upstream's FieldManagerMaxLength. */
const nameBytesMax = 128;

/** The query's fieldManager, or what stands before the slash of the User-Agent. @throws ApiError 422 */
export function fieldManagerOf(exchange: Exchange): string {
  const given = exchange.url.searchParams.get("fieldManager") ?? "";
  if (given !== "") {
    const problems = nameProblems(given);
    if (problems.length > 0) throw invalid({ group: "meta.k8s.io", kind: optionsKind(exchange) }, "", problems);
    return given;
  }
  const agent = (exchange.request.headers.get("user-agent") ?? "").split("/")[0] as string;
  return agent.replace(/[^\x20-\x7e]/g, "").slice(0, nameBytesMax) || "unknown";
}

function nameProblems(name: string): FieldError[] {
  const problems: FieldError[] = [];
  if (new TextEncoder().encode(name).length > nameBytesMax) problems.push(tooLong("fieldManager", nameBytesMax));
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(name)) {
    problems.push(invalidField("fieldManager", name, "should only contain printable characters"));
  }
  return problems;
}

function optionsKind(exchange: Exchange): string {
  switch (exchange.request.method) {
    case "POST":
      return "CreateOptions";
    case "PUT":
      return "UpdateOptions";
    default:
      return "PatchOptions";
  }
}

export function isApply(contentType: string): boolean {
  return (contentType.split(";")[0] as string).trim().toLowerCase() === applyPatchType;
}

/** `force` is for apply alone, and apply must say who applies. @throws ApiError 422 */
export function patchOptions(exchange: Exchange, contentType: string): { readonly force: boolean } {
  const query = exchange.url.searchParams;
  const force = query.get("force");
  const problems: FieldError[] = [];
  if (!isApply(contentType)) {
    if (force !== null) problems.push(forbidden("force", "may not be specified for non-apply patch"));
  } else if ((query.get("fieldManager") ?? "") === "") {
    problems.push(required("fieldManager", "is required for apply patch"));
  }
  if (problems.length > 0) throw invalid({ group: "meta.k8s.io", kind: "PatchOptions" }, "", problems);
  return { force: force !== null && isTrue(force) };
}
