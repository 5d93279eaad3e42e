/** YAML, read as Kubernetes reads it: YAML 1.1 scalars (`yes` is true), but times stay text. */
import { isMap, isPair, isScalar, LineCounter, parseDocument, stringify, visit } from "yaml";
import { quote } from "../go_text.ts";
import { codecLimits } from "./limits.ts";

/** Text that is no YAML. */
export class YamlSyntaxError extends Error {
  override readonly name = "YamlSyntaxError";
}

export interface ParsedYaml {
  readonly value: unknown;
  /** One for each repeated key: `line 3: key "a" already set in map`. The last one given counts. */
  readonly duplicates: readonly string[];
}

/** What YAML 1.1 has beyond JSON's values, and numbers in base 60, which Go's reader does not know. */
const foreignTags = new Set(["timestamp", "binary", "set", "omap", "pairs"].map((tag) => `tag:yaml.org,2002:${tag}`));

/** @throws YamlSyntaxError */
export function parseYaml(text: string): ParsedYaml {
  if (text.length > codecLimits.yamlBytesMax) {
    throw new YamlSyntaxError(`yaml: document is larger than ${codecLimits.yamlBytesMax} bytes; send JSON instead`);
  }
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, {
      schema: "yaml-1.1",
      merge: true,
      uniqueKeys: false,
      stringKeys: false,
      lineCounter: lines,
      prettyErrors: false,
      customTags: (tags) =>
        tags.filter((tag) =>
          typeof tag === "string" || !(foreignTags.has(tag.tag) || ("format" in tag && tag.format === "TIME"))
        ),
      intAsBigInt: false,
    });
    const fault = document.errors[0];
    if (fault !== undefined) {
      throw new YamlSyntaxError(`yaml: line ${lines.linePos(fault.pos[0]).line}: ${fault.message}`);
    }
    const duplicates: string[] = [];
    let depth = 0;
    visit(document, {
      Collection(_key, node, path) {
        depth = Math.max(depth, path.length);
        if (depth > 2 * codecLimits.depthMax) throw new YamlSyntaxError("yaml: exceeded max depth");
        if (!isMap(node)) return;
        const seen = new Set<string>();
        for (const pair of node.items) {
          if (!isPair(pair) || !isScalar(pair.key)) continue;
          const key = String(pair.key.value);
          if (seen.has(key) && duplicates.length < codecLimits.strictErrorsMax) {
            const line = lines.linePos(pair.key.range?.[0] ?? 0).line;
            duplicates.push(`line ${line}: key ${quote(key)} already set in map`);
          }
          seen.add(key);
        }
      },
    });
    return { value: document.toJS({ maxAliasCount: codecLimits.yamlAliasesMax }), duplicates };
  } catch (cause) {
    if (cause instanceof YamlSyntaxError) throw cause;
    // The library's own faults (too many aliases) and a stack that deep nesting used up: both are the text's fault.
    throw new YamlSyntaxError(`yaml: ${cause instanceof Error ? cause.message : "cannot be read"}`, { cause });
  }
}

export function encodeYaml(value: unknown): string {
  return stringify(value, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
}
