import type { PeerIdentity } from "../../platform/mod.ts";

/** Who a request comes from, once proven. */
export interface User {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  /** For a service account's token: the pod it was made for. */
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
}

export const anonymous: User = { name: "system:anonymous", uid: "", groups: ["system:unauthenticated"] };

/** The subject of a certificate that the cluster CA signed: CN is the name, each O a group. */
export function userOfCertificate(peer: PeerIdentity): User | null {
  if (peer.commonName === "") return null;
  return { name: peer.commonName, uid: "", groups: [...peer.organizations, "system:authenticated"] };
}

export function serviceAccountUser(
  namespace: string,
  name: string,
  uid: string,
  pod?: { name: string; uid: string },
): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    ...(pod === undefined ? {} : { pod: { namespace, ...pod } }),
  };
}

const nodePrefix = "system:node:";

/** The Node that a kubelet's identity stands for; null for everyone else. */
export function nodeOfUser(user: User): string | null {
  if (!user.name.startsWith(nodePrefix) || !user.groups.includes("system:nodes")) return null;
  const node = user.name.slice(nodePrefix.length);
  return node === "" ? null : node;
}
