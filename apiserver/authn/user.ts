import type { PeerIdentity } from "../../platform/mod.ts";

/** Who a request comes from, once proven. */
export interface User {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  /** What else the credential says, by key. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  /** For a service account's token: the pod it was made for. */
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
}

export const anonymousName = "system:anonymous";
export const unauthenticatedGroup = "system:unauthenticated";
export const authenticatedGroup = "system:authenticated";

export const anonymous: User = { name: anonymousName, uid: "", groups: [unauthenticatedGroup] };

/** The subject of a certificate that the cluster CA signed: CN is the name, each O a group. */
export function userOfCertificate(peer: PeerIdentity): User | null {
  if (peer.commonName === "") return null;
  return { name: peer.commonName, uid: "", groups: [...peer.organizations, authenticatedGroup] };
}

/** What a service account's token is bound to. */
export interface TokenBinding {
  readonly pod?: { readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid: string };
  /** `jti`; "" for none. */
  readonly id: string;
}

export function serviceAccountGroups(namespace: string): string[] {
  return ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, authenticatedGroup];
}

export function serviceAccountUser(namespace: string, name: string, uid: string, binding: TokenBinding): User {
  const { pod, node, id } = binding;
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: serviceAccountGroups(namespace),
    extra: {
      ...(id === "" ? {} : { [`${extraPrefix}credential-id`]: [`JTI=${id}`] }),
      ...(node === undefined
        ? {}
        : { [`${extraPrefix}node-name`]: [node.name], [`${extraPrefix}node-uid`]: [node.uid] }),
      ...(pod === undefined ? {} : { [`${extraPrefix}pod-name`]: [pod.name], [`${extraPrefix}pod-uid`]: [pod.uid] }),
    },
    ...(pod === undefined ? {} : { pod: { namespace, ...pod } }),
  };
}

const extraPrefix = "authentication.kubernetes.io/";

const nodePrefix = "system:node:";

/** The Node that a kubelet's identity stands for; null for everyone else. */
export function nodeOfUser(user: User): string | null {
  if (!user.name.startsWith(nodePrefix) || !user.groups.includes("system:nodes")) return null;
  const node = user.name.slice(nodePrefix.length);
  return node === "" ? null : node;
}

/** As authentication.k8s.io/v1 UserInfo has it: each field is left out where it is empty. */
export function userInfo({ name, uid, groups, extra = {} }: User) {
  return {
    ...(name === "" ? {} : { username: name }),
    ...(uid === "" ? {} : { uid }),
    ...(groups.length > 0 ? { groups } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
}
