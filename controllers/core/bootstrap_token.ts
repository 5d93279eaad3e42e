/** Bootstrap tokens: Secrets that let new nodes in for a while. @see kubernetes pkg/controller/bootstrap */
import { decodeBase64 } from "../../api/base64.ts";
import type { ConfigMap, Secret } from "../../api/gen/types.ts";
import { configMaps, secrets } from "../../api/resources.ts";
import { parseTime } from "../../api/time.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import * as limits from "../limits.ts";
import { decide, type Decision } from "./action.ts";

export const tokenSecretType = "bootstrap.kubernetes.io/token";
export const tokenNamespace = "kube-system";
export const clusterInfoKey = "kube-public/cluster-info";
const signaturePrefix = "jws-kubeconfig-";

export function isTokenSecret(secret: Readonly<Secret>): boolean {
  return secret.type === tokenSecretType && secret.metadata?.namespace === tokenNamespace;
}

function data(secret: Readonly<Secret>, key: string): string {
  return fromUtf8(decodeBase64(secret.data?.[key] ?? "") ?? new Uint8Array(0));
}

/** Deletes a token whose time is over. A time that cannot be read is over, as upstream. @param now ms since the epoch */
export function reconcileToken(secret: Readonly<Secret>, now: number): Decision {
  const expiration = data(secret, "expiration");
  if (!isTokenSecret(secret) || expiration === "") return decide([]);
  const left = (parseTime(expiration) ?? 0) - now;
  if (left <= 0) return decide([{ kind: "delete", info: secrets, objects: [secret] }]);
  return decide([], Math.min(left, limits.requestLookMs));
}

/** What signs cluster-info, by token id: those that may sign and whose time is not over. */
export function signingTokens(all: readonly Readonly<Secret>[], now: number): Map<string, string> {
  const tokens = new Map<string, string>();
  for (const secret of all) {
    if (!isTokenSecret(secret) || data(secret, "usage-bootstrap-signing") !== "true") continue;
    const expiration = data(secret, "expiration");
    if (expiration !== "" && !((parseTime(expiration) ?? 0) > now)) continue;
    const [id, key] = [data(secret, "token-id"), data(secret, "token-secret")];
    if (id !== "" && key !== "") tokens.set(id, key);
  }
  return tokens;
}

/** @param signatures detached JWS of the ConfigMap's kubeconfig, by token id */
export function reconcileClusterInfo(info: Readonly<ConfigMap>, signatures: ReadonlyMap<string, string>): Decision {
  const changes: Record<string, string | null> = {};
  for (const key of Object.keys(info.data ?? {})) {
    if (key.startsWith(signaturePrefix) && !signatures.has(key.slice(signaturePrefix.length))) changes[key] = null;
  }
  for (const [id, signature] of signatures) {
    if (info.data?.[signaturePrefix + id] !== signature) changes[signaturePrefix + id] = signature;
  }
  if (Object.keys(changes).length === 0) return decide([]);
  return decide([{ kind: "patch", info: configMaps, object: info, patch: { data: changes } }]);
}
