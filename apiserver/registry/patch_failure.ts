import { invalid as invalidField } from "../../api/field_errors.ts";
import { ApiError, invalid } from "../../api/status.ts";
import { compareStrings } from "../../api/go_text.ts";

/** What was patched, and how, for the words of a refusal. */
export interface Patched {
  readonly strategic: boolean;
  /** The patch itself. */
  readonly patch: unknown;
  /** The object that came out. */
  readonly result: unknown;
}

/**
 * A patch whose outcome does not fit the type is 422 about the field `patch`, not the 400 that a body gets: kubectl shows
 * the difference. A strategic merge names the patch, the others the whole outcome; each words what does not fit as the
 * converter that upstream uses there.
 * @see kubernetes staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go
 */
export function patchDecodeFailure(error: unknown, { strategic, patch, result }: Patched): unknown {
  if (!(error instanceof ApiError) || error.status.reason !== "BadRequest") return error;
  const why = /^\S+ in version "\S*" cannot be handled as a \S+: (json: .*|strict decoding error: .*)$/s
    .exec(error.status.message ?? "")?.[1];
  if (why === undefined) return error;
  const value = strategic ? goMap(patch) : JSON.stringify(result);
  const detail = strategic ? converterText(why) : why;
  return invalid({ group: "", kind: "" }, "", [invalidField("patch", value, detail)]);
}

const mismatch = /^json: cannot unmarshal (\S+) into .* of type (\S+)$/;
const goKinds: Readonly<Record<string, string>> = {
  string: "string",
  number: "int64",
  bool: "bool",
  object: "map",
  array: "slice",
};

/** Go's unstructured converter says in other words than its JSON decoder what does not fit. */
function converterText(why: string): string {
  const match = mismatch.exec(why);
  if (match === null) return why;
  const [, given = "", type = ""] = match;
  const kind = goKinds[given] ?? given;
  if (type.startsWith("map[")) return `cannot restore map from ${kind}`;
  if (type.startsWith("[]")) return `cannot restore slice from ${kind}`;
  if (type.includes(".")) return `cannot restore struct from: ${kind}`;
  // Go can turn an integer into a string, of one character, so that this pair fails later than the others.
  if (kind === "int64" && type === "string") return "cannot convert int64 to string";
  return `unrecognized type: ${type}`;
}

/** As Go's `%+v` prints a map of anything. */
function goMap(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goMap).join(" ")}]`;
  if (typeof value !== "object" || value === null) return value === null ? "<nil>" : String(value);
  const fields = Object.entries(value).sort(([a], [b]) => compareStrings(a, b));
  return `map[${fields.map(([name, field]) => `${name}:${goMap(field)}`).join(" ")}]`;
}
