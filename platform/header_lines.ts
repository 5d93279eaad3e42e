/** One header as it came: the name in whichever case, the value as bytes, a character each. */
export type HeaderLine = readonly [name: string, value: string];

const listKey = Object.getOwnPropertySymbols(new Headers()).find(({ description }) => description === "header list");

/**
 * A request's header lines, each by itself. The web's Headers join lines of one name with ", ", which cannot be undone
 * where a value has a comma of its own; where that decides who somebody is, the lines are needed, and Deno's keep them
 * (2.9.6). A Request made of another's Headers has lost them. Null: this Deno keeps them elsewhere.
 */
export function headerLines(headers: Headers): readonly HeaderLine[] | null {
  // Until somebody asks for more than one header, those of a served request are not there yet.
  headers.has("host");
  const list: unknown = listKey === undefined ? null : Reflect.get(headers, listKey);
  return Array.isArray(list) && list.every(isLine) ? list : null;
}

function isLine(line: unknown): line is HeaderLine {
  return Array.isArray(line) && typeof line[0] === "string" && typeof line[1] === "string";
}

/**
 * Whether the name of any header begins with `prefix`, which is in lower case. For every request: the web's own iterators
 * first sort and join all headers, this looks at the lines as they are.
 */
export function hasNameWith(headers: Headers, prefix: string): boolean {
  const lines = headerLines(headers);
  if (lines === null) return [...headers.keys()].some((name) => name.startsWith(prefix));
  const first = prefix.charCodeAt(0);
  for (const [name] of lines) {
    // 0x20 makes a letter lower case.
    if ((name.charCodeAt(0) | 0x20) !== first || name.length < prefix.length) continue;
    if (name.slice(0, prefix.length).toLowerCase() === prefix) return true;
  }
  return false;
}
