import type { RequestInfo } from "../request_info.ts";

/** What a decision may look at. */
export type Attributes =
  | {
    readonly kind: "resource";
    readonly verb: string;
    readonly group: string;
    readonly resource: string;
    readonly subresource: string;
    readonly namespace: string;
    readonly name: string;
    /** Equality requirements of the field selector, for list and watch. */
    readonly fields: Readonly<Record<string, string>>;
  }
  | { readonly kind: "path"; readonly verb: string; readonly path: string };

export function attributesOf(info: RequestInfo): Attributes {
  if (info.kind === "remote") {
    const { verb, group, resource, subresource, namespace } = info;
    const fields = equalities(info.query.get("fieldSelector") ?? "");
    const name = info.name !== "" ? info.name : fields["metadata.name"] ?? "";
    return { kind: "resource", verb, group, resource, subresource, namespace, name, fields };
  }
  if (info.kind !== "resource") return { kind: "path", verb: info.method.toLowerCase(), path: info.path };
  const fields = equalities(info.query.get("fieldSelector") ?? "");
  return {
    kind: "resource",
    verb: info.verb,
    group: info.info.group,
    resource: info.info.resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name !== "" ? info.name : fields["metadata.name"] ?? "",
    fields,
  };
}

/** What a request for `verb` on one object, without a subresource, would ask. */
export function attributesOn(
  verb: string,
  { group, resource }: { readonly group: string; readonly resource: string },
  namespace: string,
  name: string,
): Attributes {
  return { kind: "resource", verb, group, resource, subresource: "", namespace, name, fields: {} };
}

/** `a=b,c==d,e!=f` -> {a: b, c: d}. Malformed selectors are refused later; here they grant nothing. */
export function equalities(selector: string): Record<string, string> {
  const found: Record<string, string> = Object.create(null);
  for (const term of selector.split(",")) {
    const match = /^([^=!]+)==?([^=!]*)$/.exec(term);
    if (match?.[1] !== undefined && match[2] !== undefined) found[match[1]] = match[2];
  }
  return found;
}

/** Upstream's sentence after "is forbidden: ". */
export function deniedText(user: string, it: Attributes): string {
  if (it.kind === "path") return `User "${user}" cannot ${it.verb} path "${it.path}"`;
  const resource = it.subresource === "" ? it.resource : `${it.resource}/${it.subresource}`;
  const where = it.namespace === "" || it.resource === "namespaces"
    ? "at the cluster scope"
    : `in the namespace "${it.namespace}"`;
  return `User "${user}" cannot ${it.verb} resource "${resource}" in API group "${it.group}" ${where}`;
}
