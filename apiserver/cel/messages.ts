/**
 * Message literals, which the parser does not know, as calls that it reads: `Object.spec{replicas: 3}` becomes
 * `__message__("Object.spec",{"replicas": 3})`. Strings and comments stay as they are.
 */
export function rewriteMessages(text: string): string {
  return /[A-Za-z_`]\s*\{/.test(text) ? new Rewriting().run(text) : text;
}

export const messageCall = "__message__";

const space = /\s+|\/\/[^\n]*/;
const rawString = /[bB]?[rR](?:"""[\s\S]*?"""|'''[\s\S]*?'''|"[^"]*"|'[^']*')/;
const string = /[bB]?(?:"""(?:\\[\s\S]|[^\\])*?"""|'''(?:\\[\s\S]|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')/;
const name = /[A-Za-z_]\w*|`[^`]*`/;
const number = /\d[\w.]*/;
const token = new RegExp([space, rawString, string, name, number, /[\s\S]/].map(({ source }) => source).join("|"), "g");

class Rewriting {
  #out = "";
  readonly #open: ("message" | "other")[] = [];
  /** The dotted name that ends here, and where it begins in the output. */
  #chain: { readonly start: number; readonly name: string } | null = null;
  #dotted = false;
  /** A message's field name comes next. */
  #fieldNext = false;

  run(text: string): string {
    for (const [piece] of text.matchAll(token)) this.#take(piece);
    return this.#out;
  }

  #take(piece: string): void {
    if (/^\s|^\/\//.test(piece)) {
      this.#out += piece;
      return;
    }
    if (/^[A-Za-z_]\w*$|^`/.test(piece)) return this.#name(piece);
    if (piece === "{" && this.#chain !== null && /^[A-Z]/.test(this.#chain.name)) {
      const { start, name } = this.#chain;
      this.#out = `${this.#out.slice(0, start)}${messageCall}(${JSON.stringify(name)},{`;
      this.#open.push("message");
      this.#fieldNext = true;
      this.#chain = null;
      return;
    }
    this.#dotted = piece === ".";
    if (!this.#dotted) this.#chain = null;
    if (piece === "(" || piece === "[" || piece === "{") this.#open.push("other");
    const closed = piece === ")" || piece === "]" || piece === "}" ? this.#open.pop() : undefined;
    this.#fieldNext = piece === "," && this.#open.at(-1) === "message";
    this.#out += closed === "message" ? "})" : piece;
  }

  #name(piece: string): void {
    if (this.#fieldNext && this.#open.at(-1) === "message") {
      this.#out += JSON.stringify(piece.replaceAll("`", ""));
      this.#fieldNext = false;
      return;
    }
    if (this.#dotted && this.#chain !== null) this.#chain = { ...this.#chain, name: `${this.#chain.name}.${piece}` };
    else if (this.#dotted || piece === "in") this.#chain = null;
    else this.#chain = { start: this.#out.length, name: piece };
    this.#dotted = false;
    this.#out += piece;
  }
}
