import { decodeBase64 } from "../../api/base64.ts";
import type { KubeObject } from "../../api/meta.ts";
import { secrets } from "../../api/resources.ts";
import { parseTime } from "../../api/time.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import { dig, text } from "../dig.ts";
import type { Registry } from "../registry/context.ts";
import { parseCached } from "../watchcache/cached.ts";
import { equalSecret } from "./equal_secret.ts";
import type { TokenAuthenticator } from "./token_authenticator.ts";
import { authenticatedGroup } from "./user.ts";

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;
const namespace = "kube-system";
const secretType = "bootstrap.kubernetes.io/token";

/**
 * Tokens with which a new node asks for its first certificate: `ID.SECRET`, kept as Secrets `bootstrap-token-ID` in
 * kube-system. Read from the watch cache: a token that was just made may be refused for some milliseconds.
 * @see kubernetes docs "Authenticating with Bootstrap Tokens"; plugin/pkg/auth/authenticator/token/bootstrap
 */
export function bootstrapTokens(registry: Pick<Registry, "strategy" | "clock">): TokenAuthenticator {
  return (token, audiences) => {
    const [, id = "", secret = ""] = tokenPattern.exec(token) ?? [];
    if (id === "") return Promise.resolve(null);
    const cached = registry.strategy(secrets).cache.get(namespace, `bootstrap-token-${id}`);
    const groups = cached === undefined ? null : groupsOf(parseCached(cached), id, secret, registry.clock.now());
    if (groups === null) return Promise.resolve(null);
    const user = {
      name: `system:bootstrap:${id}`,
      uid: "",
      groups: ["system:bootstrappers", ...groups, authenticatedGroup],
    };
    return Promise.resolve({ user, audiences });
  };
}

/** The token's further groups; null: it is not good. @param now ms since the epoch */
function groupsOf(object: KubeObject, id: string, secret: string, now: number): string[] | null {
  const data = (key: string) => fromUtf8(decodeBase64(text(dig(object, "data", key))) ?? new Uint8Array(0));
  if (text(dig(object, "type")) !== secretType || object.metadata?.deletionTimestamp !== undefined) return null;
  if (data("token-id") !== id || !equalSecret(data("token-secret"), secret)) return null;
  const expiration = data("expiration");
  if (expiration !== "" && !((parseTime(expiration) ?? 0) > now)) return null;
  if (data("usage-bootstrap-authentication") !== "true") return null;
  const extra = data("auth-extra-groups");
  const groups = extra === "" ? [] : extra.split(",");
  return groups.every((group) => groupPattern.test(group)) ? groups : null;
}
