import { encodeBase64 } from "../api/base64.ts";
import type { Secret } from "../api/gen/types.ts";
import { utf8 } from "../base/bytes.ts";
import { keyOf } from "../client/mod.ts";
import {
  clusterInfoKey,
  isTokenSecret,
  reconcileClusterInfo,
  reconcileToken,
  signingTokens,
} from "./core/bootstrap_token.ts";
import type { Informers } from "./informers.ts";
import type { Controller } from "./runner.ts";

/** Clears bootstrap tokens away when their time is over. */
export function tokenCleaner({ secrets }: Informers): Controller {
  return {
    name: "token-cleaner",
    queueName: "token_cleaner",
    keys: () => secrets.list().filter(isTokenSecret).map(keyOf),
    subscribe(enqueue) {
      const look = (secret: Readonly<Secret>) => isTokenSecret(secret) && enqueue(keyOf(secret));
      secrets.subscribe({ added: look, updated: (_, secret) => look(secret) });
    },
    async sync(key, turn) {
      const secret = secrets.get(key);
      if (secret !== undefined) await turn.carryOut(reconcileToken(secret, turn.now));
    },
  };
}

/**
 * Signs the kubeconfig in kube-public/cluster-info, where there is one, with each token that may: whoever was told a
 * token can then trust what anyone could have served.
 */
export function bootstrapSigner({ configMaps, secrets }: Informers): Controller {
  return {
    name: "bootstrap-signer",
    queueName: "bootstrap_signer_queue",
    keys: () => [clusterInfoKey],
    subscribe(enqueue) {
      const ofToken = (secret: Readonly<Secret>) => isTokenSecret(secret) && enqueue(clusterInfoKey);
      secrets.subscribe({ added: ofToken, updated: (_, secret) => ofToken(secret), deleted: ofToken });
      const ofInfo = (info: { metadata?: { namespace?: string; name?: string } }) =>
        `${info.metadata?.namespace}/${info.metadata?.name}` === clusterInfoKey && enqueue(clusterInfoKey);
      configMaps.subscribe({ added: ofInfo, updated: (_, info) => ofInfo(info) });
    },
    async sync(key, turn) {
      const info = configMaps.get(key);
      const kubeconfig = info?.data?.["kubeconfig"];
      if (info === undefined || kubeconfig === undefined) return;
      const signatures = new Map<string, string>();
      for (const [id, secret] of signingTokens(secrets.list(), turn.now)) {
        signatures.set(id, await detachedJws(kubeconfig, id, secret));
      }
      await turn.carryOut(reconcileClusterInfo(info, signatures));
    },
  };
}

/** HS256 over the content, which the JWS itself leaves out (RFC 7515 appendix F). */
export async function detachedJws(content: string, keyId: string, secret: string): Promise<string> {
  const header = base64Url(utf8(JSON.stringify({ alg: "HS256", kid: keyId })));
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new Uint8Array(utf8(secret)), hmac, false, ["sign"]);
  const signed = new Uint8Array(utf8(`${header}.${base64Url(utf8(content))}`));
  return `${header}..${base64Url(new Uint8Array(await crypto.subtle.sign("HMAC", key, signed)))}`;
}

function base64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
