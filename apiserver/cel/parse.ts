import { messageCall, rewriteMessages } from "./messages.ts";
import { CelError } from "./values.ts";

/** An expression's tree. Macros are calls: the evaluator knows them by name. */
export type Node =
  | { readonly op: "value"; readonly value: unknown }
  | { readonly op: "id"; readonly name: string }
  /** @property at where the dot stands in the text */
  | {
    readonly op: "select";
    readonly of: Node;
    readonly field: string;
    readonly optional: boolean;
    readonly at: number;
  }
  | { readonly op: "index"; readonly of: Node; readonly at: Node; readonly optional: boolean }
  | { readonly op: "call"; readonly name: string; readonly receiver: Node | null; readonly args: readonly Node[] }
  | { readonly op: "list"; readonly items: readonly Node[] }
  | { readonly op: "message"; readonly type: string; readonly fields: readonly (readonly [string, Node])[] }
  | { readonly op: "map"; readonly entries: readonly (readonly [Node, Node])[] }
  | { readonly op: "unary"; readonly name: string; readonly args: readonly Node[] }
  /** @property at where the operator stands in the text */
  | { readonly op: "binary"; readonly name: string; readonly args: readonly Node[]; readonly at: number }
  | { readonly op: "and" | "or"; readonly left: Node; readonly right: Node }
  | { readonly op: "if"; readonly args: readonly [Node, Node, Node] };

export type Parser = (text: string) => Node;

/** Bounds on one expression's text. */
const bounds = { maxAstNodes: 10_000, maxDepth: 100, maxListElements: 1000, maxMapEntries: 1000, maxCallArguments: 32 };

/** Loads the parser when the first expression is met: servers without any do not pay for it. */
export async function loadParser(): Promise<Parser> {
  const { Environment } = await import("@marcbachmann/cel-js");
  const environment = new Environment({ enableOptionalTypes: true, limits: bounds });
  return (text) => {
    let tree: unknown;
    try {
      tree = environment.parse(rewriteMessages(text)).ast;
    } catch (error) {
      const message = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      throw new CelError(`ERROR: <input>:1:1: Syntax error: ${message}`, { cause: error });
    }
    return convert(tree);
  };
}

/** @property start where it begins in the text, and where it ends */
type Raw = { readonly op: string; readonly args: unknown; readonly start: number; readonly end: number };

function rawOf(value: unknown): Raw {
  if (typeof value !== "object" || value === null || !("op" in value) || !("args" in value)) {
    throw new CelError("ERROR: <input>:1:1: Syntax error: unexpected tree");
  }
  const { start, end } = value as { start?: unknown; end?: unknown };
  return { op: String(value.op), args: value.args, start: Number(start ?? 0), end: Number(end ?? 0) };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function convert(value: unknown): Node {
  const { op, args } = rawOf(value);
  const list = listOf(args);
  switch (op) {
    case "value":
      return { op: "value", value: args };
    case "id":
      return { op: "id", name: String(args) };
    case ".":
    case ".?":
      return {
        op: "select",
        of: convert(list[0]),
        field: String(list[1]),
        optional: op === ".?",
        at: rawOf(list[0]).end,
      };
    case "[]":
    case "[?]":
      return { op: "index", of: convert(list[0]), at: convert(list[1]), optional: op === "[?]" };
    case "call":
      if (list[0] === messageCall) return messageOf(listOf(list[1] ?? []));
      return { op: "call", name: String(list[0]), receiver: null, args: listOf(list[1] ?? []).map(convert) };
    case "rcall":
      return {
        op: "call",
        name: String(list[0]),
        receiver: convert(list[1]),
        args: listOf(list[2] ?? []).map(convert),
      };
    case "list":
      return { op: "list", items: list.map(convert) };
    case "map":
      return {
        op: "map",
        entries: list.map((entry) => [convert(listOf(entry)[0]), convert(listOf(entry)[1])] as const),
      };
    case "!_":
    case "-_":
      return { op: "unary", name: op.slice(0, 1), args: list.map(convert) };
    case "&&":
      return { op: "and", left: convert(list[0]), right: convert(list[1]) };
    case "||":
      return { op: "or", left: convert(list[0]), right: convert(list[1]) };
    case "?:":
      return { op: "if", args: [convert(list[0]), convert(list[1]), convert(list[2])] };
    default:
      return { op: "binary", name: op, args: list.map(convert), at: rawOf(list[0]).end };
  }
}

function messageOf([type, fields]: readonly unknown[]): Node {
  const entries = listOf(rawOf(fields).args).map((entry) => {
    const [key, value] = listOf(entry);
    return [String(rawOf(key).args), convert(value)] as const;
  });
  return { op: "message", type: String(rawOf(type).args), fields: entries };
}

/** Every name that is used as a variable, iteration variables included. */
export function* namesIn(node: Node): Generator<string> {
  if (node.op === "id") yield node.name;
  for (const inner of childrenOf(node)) yield* namesIn(inner);
}

export function childrenOf(node: Node): readonly Node[] {
  switch (node.op) {
    case "value":
    case "id":
      return [];
    case "select":
      return [node.of];
    case "index":
      return [node.of, node.at];
    case "call":
      return node.receiver === null ? node.args : [node.receiver, ...node.args];
    case "list":
      return node.items;
    case "map":
      return node.entries.flat();
    case "message":
      return node.fields.map(([, value]) => value);
    case "and":
    case "or":
      return [node.left, node.right];
    default:
      return node.args;
  }
}
