import { schemaOf, typeNames } from "../../api/schema.ts";
import { isRecord, type Json, record } from "../dig.ts";

/** The text of a class's TypeScript declaration in the types package; undefined where the package is not at hand. */
export type DeclarationOf = (className: string) => string | undefined;

/**
 * Puts what Kubernetes says of each type and field into a document's schemas: the comments of the pinned types package,
 * read when a client asks. They are not ours, so they are not in this repository. @param schemas changed in place
 */
export function describeSchemas(schemas: Json, declarationOf: DeclarationOf): void {
  const known = new Set(typeNames());
  for (const [type, value] of Object.entries(schemas)) {
    const className = known.has(type) ? schemaOf(type).className : undefined;
    const declaration = className === undefined ? undefined : declarationOf(className);
    if (declaration === undefined) continue;
    const comments = readComments(declaration);
    const schema = record(value);
    if (comments.type !== "") schema["description"] = comments.type;
    for (const [name, property] of Object.entries(record(schema["properties"]))) {
      const text = comments.fields.get(name);
      if (text !== undefined && isRecord(property)) property["description"] = text;
    }
  }
}

interface Comments {
  readonly type: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** The comments of one generated declaration: of the class, and of each quoted property. */
export function readComments(declaration: string): Comments {
  const start = declaration.indexOf("export declare class");
  const above = declaration.slice(0, Math.max(start, 0));
  const fields = new Map<string, string>();
  for (
    const match of declaration.slice(Math.max(start, 0)).matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*'([^']+)'\??:/g)
  ) {
    fields.set(match[2] as string, commentText(match[1] as string));
  }
  const last = above.lastIndexOf("/**");
  const type = last < 0 || above.includes("import", last) ? "" : commentText(above.slice(last + 3).replace("*/", ""));
  return { type, fields };
}

function commentText(comment: string): string {
  return comment.split("\n").map((line) => line.replace(/^\s*\*? ?/, "").trimEnd()).join("\n").trim()
    .replace(/\\(['"])/g, "$1");
}
