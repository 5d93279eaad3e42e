import type { Field } from "./hpack_table.ts";

/** Fields that belong to HTTP/1.1's connections (RFC 9113 8.2.2). */
const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
const requestPseudo: ReadonlySet<string> = new Set([":method", ":scheme", ":path", ":authority", ":protocol"]);

export type MessageKind = "request" | "response" | "trailers";

/** What makes the header list malformed (RFC 9113 8.2 and 8.3), in words; null when it is sound. */
export function malformed(fields: readonly Field[], kind: MessageKind): string | null {
  const pseudo = new Set<string>();
  let regular = false;
  for (const [name, value] of fields) {
    if (name.startsWith(":")) {
      if (regular) return `${name} comes after a regular field`;
      if (pseudo.has(name)) return `${name} comes twice`;
      const known = kind === "request" ? requestPseudo.has(name) : kind === "response" && name === ":status";
      if (!known) return `${name} has no place in ${kind === "trailers" ? kind : `a ${kind}`}`;
      pseudo.add(name);
      continue;
    }
    regular = true;
    if (!/^[!#-'*+\-.^-z|~0-9]+$/.test(name)) return `"${name}" is no field name`;
    if (connectionFields.has(name)) return `${name} has no place in HTTP/2`;
    if (name === "te" && value !== "trailers") return `te has the value "${value}"`;
    // deno-lint-ignore no-control-regex -- these are what a value must not hold
    if (/[\x00\r\n]/.test(value)) return `the value of ${name} holds a control character`;
  }
  if (kind === "response" && !pseudo.has(":status")) return ":status is missing";
  if (kind !== "request") return null;
  for (const name of [":method", ":scheme", ":path"]) {
    if (!pseudo.has(name)) return `${name} is missing`;
  }
  return fields.some(([name, value]) => name === ":path" && value === "") ? ":path is empty" : null;
}

/** The announced length of the body; undefined when none is announced, NaN when it is no number. */
export function contentLength(fields: readonly Field[]): number | undefined {
  const value = fields.find(([name]) => name === "content-length")?.[1];
  if (value === undefined) return undefined;
  return /^[0-9]{1,15}$/.test(value) ? Number(value) : NaN;
}
