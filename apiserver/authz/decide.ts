import { nodeOfUser, type User } from "../authn/user.ts";
import type { Attributes } from "./attributes.ts";
import { componentRules, type Rule } from "./components.ts";
import { decideNode, type NodeView } from "./node.ts";

export interface Decision {
  readonly allowed: boolean;
  /** Appended to the 403's sentence; "" for none. */
  readonly reason: string;
}

const allow: Decision = { allowed: true, reason: "" };
const deny: Decision = { allowed: false, reason: "" };

/** What everyone may read, proven or not. */
const publicPaths: ReadonlySet<string> = new Set(["/healthz", "/livez", "/readyz", "/version"]);
const discoveryPaths: ReadonlySet<string> = new Set(["/api", "/apis", "/openapi", "/"]);

/**
 * Who may do what, until roles are served: administrators everything, each component of ours what it needs, everyone
 * else discovery only. A pure function; what a kubelet may see of pods comes through `view`.
 */
export function decide(user: User, it: Attributes, view: NodeView): Decision {
  if (user.groups.includes("system:masters") || user.name === "kube-apiserver") return allow;
  if (it.kind === "path") return decidePath(user, it.verb, it.path);
  const node = nodeOfUser(user);
  if (node !== null) return decideNode(node, it, view);
  const rules = Object.hasOwn(componentRules, user.name) ? componentRules[user.name] : undefined;
  return rules?.some((rule) => matches(rule, it)) ? allow : deny;
}

export function isPublicPath(path: string): boolean {
  const first = `/${path.split("/")[1] ?? ""}`;
  return publicPaths.has(path) || (first !== "/version" && publicPaths.has(first));
}

function decidePath(user: User, verb: string, path: string): Decision {
  if (verb !== "get" && verb !== "head") return deny;
  if (isPublicPath(path)) return allow;
  const first = `/${path.split("/")[1] ?? ""}`;
  return discoveryPaths.has(first) && user.groups.includes("system:authenticated") ? allow : deny;
}

function matches(rule: Rule, it: Extract<Attributes, { kind: "resource" }>): boolean {
  const resource = it.subresource === "" ? it.resource : `${it.resource}/${it.subresource}`;
  return (rule.verbs === "*" || rule.verbs.includes(it.verb)) &&
    (rule.resources === "*" ? !forbiddenToAll.has(resource) : rule.resources.includes(resource));
}

/** Not part of "every resource": running commands and reading output is for people. */
const forbiddenToAll: ReadonlySet<string> = new Set(["pods/exec", "pods/attach", "pods/log", "serviceaccounts/token"]);
