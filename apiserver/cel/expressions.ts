import { loadPatterns } from "../crd/patterns.ts";
import type { Engine } from "./functions.ts";
import { loadParser, type Node, type Parser } from "./parse.ts";

export interface ExpressionEngine extends Engine {
  readonly parse: Parser;
}

/**
 * Engines that remember what they have parsed, for as long as the object that holds the expressions is the cache's: a
 * changed object is another one. So an expression is parsed once, not on each write.
 */
export class Expressions {
  #loading: Promise<ExpressionEngine> | null = null;
  readonly #known = new WeakMap<object, ExpressionEngine>();

  async of(owner: object): Promise<ExpressionEngine> {
    const known = this.#known.get(owner);
    if (known !== undefined) return known;
    this.#loading ??= load();
    const engine = remembering(await this.#loading);
    this.#known.set(owner, engine);
    return engine;
  }
}

async function load(): Promise<ExpressionEngine> {
  return { parse: await loadParser(), patterns: await loadPatterns() };
}

/** An object holds finitely many expressions, and only they are parsed. */
function remembering({ parse, patterns }: ExpressionEngine): ExpressionEngine {
  const nodes = new Map<string, Node>();
  return {
    patterns,
    parse(text) {
      let node = nodes.get(text);
      if (node === undefined) nodes.set(text, node = parse(text));
      return node;
    },
  };
}
