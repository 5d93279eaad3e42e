import { isFunction } from "./functions.ts";
import { childrenOf, type Node } from "./parse.ts";
import { CelError } from "./values.ts";

const macros: ReadonlySet<string> = new Set([
  "all",
  "exists",
  "exists_one",
  "existsOne",
  "filter",
  "map",
  "optMap",
  "optFlatMap",
]);
const types: ReadonlySet<string> = new Set(
  ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"],
);

/**
 * Looks for names and functions that do not exist. Types are not checked: a wrong one is found when the expression is
 * evaluated (docs/adr/0018-cel.md). @throws CelError as cel-go's checker says it
 */
export function checkNames(node: Node, declared: ReadonlySet<string>): void {
  switch (node.op) {
    case "id":
      if (!declared.has(node.name) && !types.has(node.name)) throw undeclared(node.name);
      return;
    case "call":
      checkCall(node, declared);
      return;
    case "message":
      if (!declared.has(node.type.split(".")[0] ?? "")) throw undeclared(node.type);
      for (const inner of childrenOf(node)) checkNames(inner, declared);
      return;
    default:
      for (const inner of childrenOf(node)) checkNames(inner, declared);
  }
}

function undeclared(name: string): CelError {
  return new CelError(`ERROR: <input>:1:1: undeclared reference to '${name}' (in container '')`);
}

function checkCall({ name, receiver, args }: Node & { op: "call" }, declared: ReadonlySet<string>): void {
  if (receiver === null) {
    if (name !== "has" && !isFunction(name)) throw undeclared(name);
    for (const inner of args) checkNames(inner, declared);
    return;
  }
  const [variable, ...rest] = args;
  const binds = receiver.op === "id" && receiver.name === "cel" && name === "bind";
  if ((binds || macros.has(name)) && variable?.op === "id") {
    if (!binds) checkNames(receiver, declared);
    const inside = new Set([...declared, variable.name]);
    for (const inner of rest) checkNames(inner, inside);
    return;
  }
  const space = receiver.op === "id" && !declared.has(receiver.name) ? `${receiver.name}.${name}` : `_.${name}`;
  if (!isFunction(space)) throw undeclared(name);
  if (space.startsWith("_.")) checkNames(receiver, declared);
  for (const inner of args) checkNames(inner, declared);
}
