import type { Functions } from "../functions.ts";
import { AuthorizerValue, type Question, type Value } from "../values.ts";
import { noOverload, textAt } from "./arguments.ts";

function question<K extends Question["kind"]>(args: readonly Value[], kind: K): Question & { readonly kind: K } {
  const [value] = args;
  if (!(value instanceof AuthorizerValue) || value.question.kind !== kind) return noOverload();
  return value.question as Question & { readonly kind: K };
}

/** Narrows a resource check. */
const narrow = (field: "subresource" | "namespace" | "name") => (args: readonly Value[]): Value => {
  const { ask, of } = question(args, "resource");
  return new AuthorizerValue({ kind: "resource", ask, of: { ...of, [field]: textAt(args, 1) } });
};

/** Questions to the authorizer, about whoever sent the request. @see apiserver pkg/cel/library/authz.go */
export const authorizerFunctions: Functions = {
  "_.path": (args) => {
    const { ask } = question(args, "authorizer");
    return new AuthorizerValue({ kind: "path", ask, path: textAt(args, 1) });
  },
  "_.group": (args) => {
    const { ask } = question(args, "authorizer");
    return new AuthorizerValue({ kind: "group", ask, group: textAt(args, 1) });
  },
  "_.resource": (args) => {
    const { ask, group } = question(args, "group");
    const of = { group, resource: textAt(args, 1), subresource: "", namespace: "", name: "" };
    return new AuthorizerValue({ kind: "resource", ask, of });
  },
  "_.subresource": narrow("subresource"),
  "_.namespace": narrow("namespace"),
  "_.name": narrow("name"),
  "_.check": (args, budget) => {
    // As dear as upstream makes it: a decision may look at every role.
    budget.spend(350_000);
    const [value] = args;
    const it = value instanceof AuthorizerValue ? value.question : noOverload();
    if (it.kind !== "path" && it.kind !== "resource") return noOverload();
    const decision = it.ask(textAt(args, 1), it.kind === "path" ? it.path : it.of);
    return new AuthorizerValue({ kind: "decision", ...decision });
  },
  "_.allowed": (args) => question(args, "decision").allowed,
  "_.reason": (args) => question(args, "decision").reason,
  // A decision from the watch cache cannot fail.
  "_.errored": (args) => question(args, "decision") === undefined,
  "_.error": (args) => question(args, "decision") === undefined ? "error" : "",
};
