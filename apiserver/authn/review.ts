import { pods, serviceAccounts } from "../../api/resources.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { TokenClaims } from "./service_account_tokens.ts";
import { type TokenAuthenticator, TokenError } from "./token_authenticator.ts";

type Lookup = Pick<Registry, "tokens" | "clock" | "strategy" | "store">;

/**
 * Tokens of ServiceAccounts. The signature is checked once and remembered for a while; that the account, and the pod it
 * is bound to, still exist is checked each time, so that deleting them ends the token.
 */
export function serviceAccountTokens(registry: Lookup): TokenAuthenticator {
  const known = new Map<string, { at: number; claims: TokenClaims | null }>();
  return async (token, audiences) => {
    const now = registry.clock.monotonic();
    // Asking for other audiences is TokenReview's, and rare: JSON tells every list apart from every token.
    const key = audiences.length === 1 && audiences[0] === registry.tokens.issuer
      ? token
      : JSON.stringify([token, ...audiences]);
    let entry = known.get(key);
    if (entry === undefined || now - entry.at > limits.tokenCacheMs) {
      entry = { at: now, claims: await registry.tokens.verify(token, registry.clock.now(), [...audiences]) };
      // Oldest first: a Map remembers the order of insertion.
      known.delete(key);
      known.set(key, entry);
      if (known.size > limits.tokenCacheEntries) known.delete(known.keys().next().value as string);
    }
    const { claims } = entry;
    if (claims === null) return null;
    if (!(await stillHolds(registry, claims))) throw new TokenError("service account token has been invalidated");
    return { user: claims.user, audiences: audiences.filter((it) => claims.audiences.includes(it)) };
  };
}

/** Whether the account, and the pod that the token is bound to, still exist. */
async function stillHolds(registry: Lookup, claims: TokenClaims): Promise<boolean> {
  const { namespace, serviceAccount, user: { pod } } = claims;
  if (await uidOf(registry, serviceAccounts, namespace, serviceAccount.name) !== serviceAccount.uid) return false;
  return pod === undefined || await uidOf(registry, pods, pod.namespace, pod.name) === pod.uid;
}

async function uidOf(
  registry: Lookup,
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
