/**
 * Regular expressions that strangers write, on an engine whose time is linear in the text: JavaScript's own would let
 * one pattern hold the server for ever. RE2's syntax is Go's, so what upstream accepts is what is accepted here.
 */
export type Matcher = (text: string) => boolean;

export interface Patterns {
  /** @throws PatternError */
  compile(pattern: string): Matcher;
}

/** The message is Go's: `error parsing regexp: missing closing ): ...`. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}

/** Loaded when the first pattern is met: servers without any do not pay for it. */
export async function loadPatterns(): Promise<Patterns> {
  const { RE2JS } = await import("re2js");
  return {
    compile(pattern) {
      try {
        const compiled = RE2JS.compile(pattern);
        return (text) => compiled.matcher(text).find();
      } catch (error) {
        throw new PatternError(error instanceof Error ? error.message : String(error), { cause: error });
      }
    },
  };
}
