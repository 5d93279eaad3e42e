import { concatBytes, fromLatin1, toLatin1 } from "../../base/bytes.ts";

/** An HTTP/1.1 head: the first line's three parts, and the headers. */
export interface HttpHead {
  readonly first: readonly [string, string, string];
  readonly headers: Headers;
  /** The same, line by line. */
  readonly lines: readonly [name: string, value: string][];
}

const end = [13, 10, 13, 10];

/** The bytes of the head, its empty line included; null: it is not all there. */
export function headLength(bytes: Uint8Array): number | null {
  for (let at = bytes.indexOf(13); at !== -1; at = bytes.indexOf(13, at + 1)) {
    if (end.every((byte, i) => bytes[at + i] === byte)) return at + 4;
  }
  return null;
}

/** Null for what is no HTTP/1.1 head. */
export function parseHead(bytes: Uint8Array): HttpHead | null {
  const [line = "", ...rest] = toLatin1(bytes).replace(/(?:\r\n)+$/, "").split("\r\n");
  const match = /^(\S+) (\S+)(?: (.*))?$/.exec(line);
  if (match === null) return null;
  const headers = new Headers();
  const lines: [string, string][] = [];
  try {
    for (const text of rest) {
      const colon = text.indexOf(":");
      // A name with blanks, or a folded line, is read in two ways by two servers.
      if (colon <= 0 || /\s/.test(text.slice(0, colon))) return null;
      // Not trim(), to which the second byte of a "à" in UTF-8 is a blank.
      const value = text.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
      headers.append(text.slice(0, colon), value);
      lines.push([text.slice(0, colon), value]);
    }
  } catch {
    return null;
  }
  const [, a = "", b = "", c = ""] = match;
  return { first: [a, b, c], headers, lines };
}

/** Whether a request asks for another protocol on its connection, and brings no body along. */
export function asksForUpgrade({ first, headers }: HttpHead): boolean {
  const upgrades = (headers.get("connection") ?? "").toLowerCase().split(",").some((it) => it.trim() === "upgrade");
  const empty = (headers.get("content-length") ?? "0") === "0" && !headers.has("transfer-encoding");
  return upgrades && headers.has("upgrade") && empty && first[2] === "HTTP/1.1" && first[1].startsWith("/");
}

/** @param headers values are bytes, a character each */
export function encodeHead(line: string, headers: Iterable<readonly [name: string, value: string]>): Uint8Array {
  const lines = [...headers].map(([name, value]) => {
    // A Headers holds no such value; lines of another origin might, and would go on as a header of their author's choice.
    if (/[\0\r\n]/.test(name + value)) throw new TypeError(`The header ${JSON.stringify(name)} is not a line`);
    return `${name}: ${value}\r\n`;
  });
  return concatBytes([fromLatin1(`${line}\r\n${lines.join("")}\r\n`)]);
}
