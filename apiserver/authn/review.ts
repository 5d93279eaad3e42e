import { pods, serviceAccounts } from "../../api/resources.ts";
import type { TokenReviewer } from "../chain/authenticate.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { TokenClaims } from "./service_account_tokens.ts";

/**
 * Who a bearer token stands for. The signature is checked once and remembered for a while; that the account, and the pod
 * it is bound to, still exist is checked each time, so that deleting them ends the token.
 */
export function serviceAccountReviewer(registry: Registry): TokenReviewer {
  const known = new Map<string, { at: number; claims: Awaited<ReturnType<Registry["tokens"]["verify"]>> }>();
  return async (token) => {
    const now = registry.clock.monotonic();
    let entry = known.get(token);
    if (entry === undefined || now - entry.at > limits.tokenCacheMs) {
      entry = { at: now, claims: await registry.tokens.verify(token, registry.clock.now()) };
      // Oldest first: a Map remembers the order of insertion.
      known.delete(token);
      known.set(token, entry);
      if (known.size > limits.tokenCacheEntries) known.delete(known.keys().next().value as string);
    }
    const { claims } = entry;
    return claims !== null && await stillHolds(registry, claims) ? claims.user : null;
  };
}

/** Whether the account, and the pod that the token is bound to, still exist. */
export async function stillHolds(registry: Registry, claims: TokenClaims): Promise<boolean> {
  const { namespace, serviceAccount, user: { pod } } = claims;
  if (await uidOf(registry, serviceAccounts, namespace, serviceAccount.name) !== serviceAccount.uid) return false;
  return pod === undefined || await uidOf(registry, pods, pod.namespace, pod.name) === pod.uid;
}

async function uidOf(
  registry: Registry,
  info: typeof pods,
  namespace: string,
  name: string,
): Promise<string | undefined> {
  const strategy = registry.strategy(info);
  const cached = strategy.cache.get(namespace, name);
  // The cache may not have seen an account as young as its token.
  const object = cached === undefined
    ? (await readCurrent(registry, keyOf(strategy, namespace, name))).object
    : parseCached(cached);
  return object?.metadata?.uid;
}
