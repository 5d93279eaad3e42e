/** One clause of an Accept header. */
export interface MediaClause {
  /** Lower case, e.g. `application/json`. */
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly q: number;
}

/** Clauses in order of preference: q first, then as written. */
export function parseAccept(header: string): MediaClause[] {
  const clauses: MediaClause[] = [];
  for (const part of header.split(",").slice(0, 32)) {
    const [type = "", ...rest] = part.split(";");
    const parameters = new Map<string, string>();
    let q = 1;
    for (const item of rest) {
      const equals = item.indexOf("=");
      if (equals < 0) continue;
      const name = item.slice(0, equals).trim().toLowerCase();
      const value = item.slice(equals + 1).trim().replace(/^"(.*)"$/, "$1");
      if (name === "q") q = Number(value);
      else parameters.set(name, value);
    }
    if (type.trim() !== "" && !(q <= 0)) clauses.push({ type: type.trim().toLowerCase(), parameters, q });
  }
  return clauses.map((clause, index) => ({ clause, index }))
    .sort((a, b) => b.clause.q - a.clause.q || a.index - b.index)
    .map(({ clause }) => clause);
}

export type Encoding = "json" | "yaml" | "msgpack" | "protobuf";
/** What the object is turned into before it is encoded. */
export type Shape = "object" | "table" | "partial";

export interface Negotiated {
  readonly encoding: Encoding;
  readonly shape: Shape;
  /** `v1` or `v1beta1` of meta.k8s.io, for tables and partial objects. */
  readonly metaVersion: string;
  readonly contentType: string;
  readonly pretty: boolean;
}

export const acceptedTypes = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"] as const;

const encodings: Readonly<Record<string, Encoding>> = {
  "application/json": "json",
  "application/yaml": "yaml",
  "application/vnd.msgpack": "msgpack",
  "application/vnd.kubernetes.protobuf": "protobuf",
  "*/*": "json",
  "application/*": "json",
};

/**
 * The first clause that can be served. Null: answer 406.
 * @param request.shapes false for answers that are no objects of a resource (a Scale, a TokenRequest)
 * @param request.protobuf false for kinds that have no protobuf form
 */
export function negotiate(
  accept: string | null,
  request: { watch: boolean; shapes: boolean; pretty: boolean; protobuf?: boolean },
): Negotiated | null {
  const clauses = accept === null || accept.trim() === "" ? [defaultClause] : parseAccept(accept);
  for (const clause of clauses) {
    const encoding = encodings[clause.type];
    if (encoding === undefined || (request.watch && encoding === "yaml")) continue;
    if (encoding === "protobuf" && request.protobuf === false) continue;
    const shape = shapeOf(clause);
    if (shape === null || (shape.shape !== "object" && !request.shapes)) continue;
    // Cells of a Table are any JSON value: there is no protobuf message that holds one.
    if (shape.shape === "table" && encoding === "protobuf") continue;
    if (clause.parameters.has("stream") && clause.parameters.get("stream") !== "watch") continue;
    return { encoding, ...shape, contentType: contentType(encoding, request.watch), pretty: request.pretty };
  }
  return null;
}

const defaultClause: MediaClause = { type: "application/json", parameters: new Map(), q: 1 };

function shapeOf(clause: MediaClause): Pick<Negotiated, "shape" | "metaVersion"> | null {
  const as = clause.parameters.get("as");
  if (as === undefined) return { shape: "object", metaVersion: "" };
  const version = clause.parameters.get("v") ?? "";
  if (clause.parameters.get("g") !== "meta.k8s.io" || (version !== "v1" && version !== "v1beta1")) return null;
  if (as === "Table") return { shape: "table", metaVersion: version };
  if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") {
    return { shape: "partial", metaVersion: version };
  }
  return null;
}

function contentType(encoding: Encoding, watch: boolean): string {
  switch (encoding) {
    case "json":
      return "application/json";
    case "yaml":
      return "application/yaml";
    case "msgpack":
      return watch ? "application/vnd.msgpack;stream=watch" : "application/vnd.msgpack";
    case "protobuf":
      return watch ? "application/vnd.kubernetes.protobuf;stream=watch" : "application/vnd.kubernetes.protobuf";
  }
}
