import { decodeBase64 } from "../../api/base64.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import type { Clock, PostHttps, Timers } from "../../platform/mod.ts";
import { dig, isRecord, items, text, texts } from "../dig.ts";
import { limits } from "../limits.ts";
import { askJson } from "./answer.ts";
import { type Proof, type TokenAuthenticator, TokenError } from "./token_authenticator.ts";
import { authenticatedGroup } from "./user.ts";

export interface TokenWebhook {
  readonly url: string;
  /** The roots to trust, PEM. */
  readonly ca: string | undefined;
}

/** A kubeconfig, decoded: its first cluster is the service. @throws Error */
export function parseTokenWebhook(value: unknown): TokenWebhook {
  const cluster = dig(items(dig(value, "clusters"))[0], "cluster");
  const url = text(dig(cluster, "server"));
  if (!URL.canParse(url) || new URL(url).protocol !== "https:") {
    throw new Error(`clusters[0].cluster.server: "${url}" is not https`);
  }
  const ca = text(dig(cluster, "certificate-authority-data"));
  const pem = ca === "" ? undefined : decodeBase64(ca);
  if (ca !== "" && pem === undefined) throw new Error("clusters[0].cluster.certificate-authority-data is not base64");
  return { url, ca: pem === undefined ? undefined : fromUtf8(pem) };
}

/**
 * Tokens that a service of somebody else knows, asked by TokenReview (authentication.k8s.io/v1). Its answers are remembered
 * for two minutes, a yes as a no (--authentication-token-webhook-cache-ttl).
 */
export function webhookTokens(
  webhook: TokenWebhook,
  { clock, timers, post }: { readonly clock: Clock; readonly timers: Timers; readonly post: PostHttps },
): TokenAuthenticator {
  const known = new Map<string, { readonly at: number; readonly proof: Proof | null }>();
  return async (token, audiences) => {
    const key = JSON.stringify([token, ...audiences]);
    const now = clock.monotonic();
    const entry = known.get(key);
    if (entry !== undefined && now - entry.at < limits.webhookTokenMs) return entry.proof;
    const proof = await ask(webhook, token, audiences, { post, timers });
    known.delete(key);
    known.set(key, { at: now, proof });
    if (known.size > limits.tokenCacheEntries) known.delete(known.keys().next().value as string);
    return proof;
  };
}

async function ask(
  webhook: TokenWebhook,
  token: string,
  audiences: readonly string[],
  { post, timers }: { readonly post: PostHttps; readonly timers: Timers },
): Promise<Proof | null> {
  const { url, ca } = webhook;
  const review = {
    kind: "TokenReview",
    apiVersion: "authentication.k8s.io/v1",
    metadata: {},
    spec: { token, ...(audiences.length > 0 ? { audiences } : {}) },
    status: { user: {} },
  };
  const body = JSON.stringify(review);
  const answer = await askJson(
    "the token webhook",
    timers,
    (signal) => post({ url, body, ...(ca === undefined ? {} : { ca }), signal }),
  );
  const status = dig(answer, "status");
  if (dig(status, "authenticated") !== true) return null;
  const user = dig(status, "user");
  const name = text(dig(user, "username"));
  if (name === "") throw new TokenError("the token webhook names no user");
  // A webhook that says nothing of audiences speaks of this API.
  const said = texts(dig(status, "audiences"));
  const shared = said.length === 0 ? [...audiences] : audiences.filter((it) => said.includes(it));
  if (shared.length === 0) return null;
  const extra = dig(user, "extra");
  const groups = texts(dig(user, "groups"));
  return {
    user: {
      name,
      uid: text(dig(user, "uid")),
      groups: groups.includes(authenticatedGroup) ? groups : [...groups, authenticatedGroup],
      ...(isRecord(extra)
        ? { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, texts(values)])) }
        : {}),
    },
    audiences: shared,
  };
}
