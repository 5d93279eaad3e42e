import { decodeRequest } from "../request_body.ts";
import { notSupported } from "../../api/field_errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import { badRequest, invalid } from "../../api/status.ts";
import { dig, isRecord, text } from "../dig.ts";
import { isTrue } from "../request_info.ts";
import type { DeleteOptions } from "./deletion.ts";

const type = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

/** DELETE's options: from the body when there is one, else from the query. @throws ApiError 400, 415, 422 */
export function deleteOptions(body: Uint8Array, contentType: string, query: URLSearchParams): DeleteOptions {
  const given: KubeObject = body.length > 0 ? fromBody(body, contentType) : fromQuery(query);
  return deleteOptionsOf(given, query.getAll("dryRun"));
}

/** @param dryRun the query's; what `given` says is added. @throws ApiError 400, 422 */
export function deleteOptionsOf(given: unknown, dryRun: readonly string[]): DeleteOptions {
  const seconds = dig(given, "gracePeriodSeconds");
  const policy = text(dig(given, "propagationPolicy"));
  const orphan = dig(given, "orphanDependents");
  if (policy !== "" && orphan !== undefined) {
    throw badRequest("orphanDependents and deletionPropagation cannot be both set");
  }
  if (policy !== "" && policy !== "Orphan" && policy !== "Background" && policy !== "Foreground") {
    const problem = notSupported("propagationPolicy", policy, ["Foreground", "Background", "Orphan", "nil"]);
    throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", [problem]);
  }
  return {
    gracePeriodSeconds: typeof seconds === "number" ? seconds : undefined,
    propagationPolicy: policy !== "" ? policy : orphan === undefined ? undefined : orphan ? "Orphan" : "Background",
    uid: text(dig(given, "preconditions", "uid")) || undefined,
    resourceVersion: text(dig(given, "preconditions", "resourceVersion")) || undefined,
    dryRun: isDryRun([...dryRun, ...listOf(dig(given, "dryRun"))]),
  };
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((it): it is string => typeof it === "string") : [];
}

function fromBody(body: Uint8Array, contentType: string): KubeObject {
  const { object } = decodeRequest<KubeObject>(body, contentType, type, { fieldValidation: "Ignore" });
  return isRecord(object) ? object : {};
}

function fromQuery(query: URLSearchParams): KubeObject {
  const options: Record<string, unknown> = {};
  const grace = query.get("gracePeriodSeconds");
  if (grace !== null) {
    if (!/^[+-]?\d{1,15}$/.test(grace)) {
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
    }
    options["gracePeriodSeconds"] = Number(grace);
  }
  const policy = query.get("propagationPolicy");
  if (policy !== null) options["propagationPolicy"] = policy;
  const orphan = query.get("orphanDependents");
  if (orphan !== null) options["orphanDependents"] = isTrue(orphan);
  return options as KubeObject;
}

/** `dryRun=All` is the one value there is. @throws ApiError 422 */
export function isDryRun(values: readonly string[]): boolean {
  for (const value of values) {
    if (value === "All") continue;
    throw invalid({ group: "meta.k8s.io", kind: "Options" }, "", [notSupported("dryRun", value, ["All"])]);
  }
  return values.length > 0;
}
