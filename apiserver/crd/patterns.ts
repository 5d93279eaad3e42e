/**
 * Regular expressions that strangers write, on an engine whose time is linear in the text: JavaScript's own would let
 * one pattern hold the server for ever. RE2's syntax is Go's, so what upstream accepts is what is accepted here.
 */
export type Matcher = (text: string) => boolean;

export interface Patterns {
  /** @throws PatternError */
  compile(pattern: string): Matcher;
  /** What matches, in order; at most `max`, all when negative. @throws PatternError */
  findAll(pattern: string, text: string, max: number): string[];
}

/** The message is Go's: `error parsing regexp: missing closing ): ...`. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}

/** Loaded when the first pattern is met: servers without any do not pay for it. */
export async function loadPatterns(): Promise<Patterns> {
  const { RE2JS } = await import("re2js");
  const compiled = (pattern: string) => {
    try {
      return RE2JS.compile(pattern);
    } catch (error) {
      throw new PatternError(error instanceof Error ? error.message : String(error), { cause: error });
    }
  };
  return {
    compile(pattern) {
      const it = compiled(pattern);
      return (text) => it.matcher(text).find();
    },
    findAll(pattern, text, max) {
      const found: string[] = [];
      const matcher = compiled(pattern).matcher(text);
      while ((max < 0 || found.length < max) && matcher.find()) found.push(matcher.group() ?? "");
      return found;
    },
  };
}
