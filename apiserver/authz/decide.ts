import { nodeOfUser, type User } from "../authn/user.ts";
import type { Attributes } from "./attributes.ts";
import { decideNode, type NodeView } from "./node.ts";
import { decideRbac, type Policy } from "./rbac.ts";

export interface Decision {
  readonly allowed: boolean;
  /** Why; after a refusal it is appended to the 403's sentence. "" for none. */
  readonly reason: string;
}

/** Members may do everything, whatever the roles say. */
export const superusers = "system:masters";

const allow: Decision = { allowed: true, reason: "" };

/** What everyone may read, proven or not, before there are roles as well. */
const publicPaths: ReadonlySet<string> = new Set(["/healthz", "/livez", "/readyz", "/version"]);

/**
 * Who may do what: superusers everything; kubelets what the Node authorizer grants; everyone what their roles grant. A
 * pure function: what a kubelet may see of pods comes through `view`, roles and bindings in `policy`.
 */
export function decide(user: User, it: Attributes, view: NodeView, policy: Policy): Decision {
  if (user.groups.includes(superusers)) return allow;
  if (it.kind === "path" && (it.verb === "get" || it.verb === "head") && isPublicPath(it.path)) return allow;
  const node = nodeOfUser(user);
  const byNode = node !== null && it.kind === "resource" ? decideNode(node, it, view) : undefined;
  if (byNode?.allowed === true) return byNode;
  const byRole = decideRbac(policy, user, it);
  if (byRole.allowed || byNode === undefined) return byRole;
  return { allowed: false, reason: [byNode.reason, byRole.reason].filter((reason) => reason !== "").join("\n") };
}

export function isPublicPath(path: string): boolean {
  const first = `/${path.split("/")[1] ?? ""}`;
  return publicPaths.has(path) || (first !== "/version" && publicPaths.has(first));
}
