import { exportJWK, importPKCS8, importSPKI, type JWK, jwtVerify, SignJWT } from "jose";
import { encodeBase64 } from "../../api/base64.ts";
import { dig, text, texts } from "../dig.ts";
import { serviceAccountUser, type User } from "./user.ts";

export interface ServiceAccountKeys {
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
  /** `iss` of tokens, and the default audience. */
  readonly issuer: string;
}

export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  readonly pod?: { readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid: string };
  readonly secret?: { readonly name: string; readonly uid: string };
  readonly audiences: readonly string[];
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** `jti` */
  readonly id: string;
}

/** What a signature proves; whether the account and pod still exist is for the caller to look up. */
export interface TokenClaims {
  readonly user: User;
  readonly namespace: string;
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  readonly audiences: readonly string[];
}

type Key = Awaited<ReturnType<typeof importPKCS8>>;
type Algorithm = "ES256" | "RS256";

/** Signs and verifies bound service account tokens (KEP-1205): JWTs with issuer, audiences, expiry and what they are bound to. */
export class ServiceAccountTokens {
  readonly #keys: ServiceAccountKeys;
  #signing: Promise<{ key: Key; algorithm: Algorithm }> | undefined;
  #verifying: Promise<{ key: Key; algorithm: Algorithm }> | undefined;
  #public: Promise<PublicJwk> | undefined;

  constructor(keys: ServiceAccountKeys) {
    this.#keys = keys;
  }

  get issuer(): string {
    return this.#keys.issuer;
  }

  async sign(request: TokenRequest): Promise<string> {
    this.#signing ??= importWith(importPKCS8, this.#keys.privateKeyPem);
    const { key, algorithm } = await this.#signing;
    const { kid } = await this.publicKey();
    return await new SignJWT({
      "kubernetes.io": {
        namespace: request.namespace,
        serviceaccount: request.serviceAccount,
        ...(request.pod === undefined ? {} : { pod: request.pod }),
        ...(request.node === undefined ? {} : { node: request.node }),
        ...(request.secret === undefined ? {} : { secret: request.secret }),
      },
    }).setProtectedHeader({ alg: algorithm, kid })
      .setIssuer(this.#keys.issuer)
      .setSubject(`system:serviceaccount:${request.namespace}:${request.serviceAccount.name}`)
      .setAudience([...request.audiences])
      .setIssuedAt(request.issuedAt)
      .setNotBefore(request.issuedAt)
      .setExpirationTime(request.expiresAt)
      .setJti(request.id)
      .sign(key);
  }

  /** What others verify tokens with, as a JSON Web Key. */
  publicKey(): Promise<PublicJwk> {
    return this.#public ??= publicJwk(this.#keys.publicKeyPem);
  }

  /**
   * Null for anything but a valid token of this cluster.
   * @param now wall clock, ms
   * @param audiences the token must be for one of them; by default for this API
   */
  async verify(token: string, now: number, audiences = [this.#keys.issuer]): Promise<TokenClaims | null> {
    this.#verifying ??= importWith(importSPKI, this.#keys.publicKeyPem);
    const { key, algorithm } = await this.#verifying;
    let payload: unknown;
    try {
      const verified = await jwtVerify(token, key, {
        issuer: this.#keys.issuer,
        audience: audiences,
        algorithms: [algorithm],
        currentDate: new Date(now),
        requiredClaims: ["exp", "sub"],
      });
      payload = verified.payload;
    } catch {
      return null;
    }
    return claimsOf(payload);
  }
}

function claimsOf(payload: unknown): TokenClaims | null {
  const bound = dig(payload, "kubernetes.io");
  const namespace = text(dig(bound, "namespace"));
  const name = text(dig(bound, "serviceaccount", "name"));
  const uid = text(dig(bound, "serviceaccount", "uid"));
  if (namespace === "" || name === "" || uid === "") return null;
  if (dig(payload, "sub") !== `system:serviceaccount:${namespace}:${name}`) return null;
  const audience = dig(payload, "aud");
  const pod = referenceOf(dig(bound, "pod"));
  const node = referenceOf(dig(bound, "node"));
  const binding = { ...(pod && { pod }), ...(node && { node }), id: text(dig(payload, "jti")) };
  return {
    user: serviceAccountUser(namespace, name, uid, binding),
    namespace,
    serviceAccount: { name, uid },
    audiences: typeof audience === "string" ? [audience] : texts(audience),
  };
}

function referenceOf(claim: unknown): { name: string; uid: string } | undefined {
  const name = text(dig(claim, "name"));
  return name === "" ? undefined : { name, uid: text(dig(claim, "uid")) };
}

/** The key's own kind decides the algorithm: a P-256 key signs ES256, an RSA key RS256. */
async function importWith(
  from: (pem: string, algorithm: string) => Promise<Key>,
  pem: string,
): Promise<{ key: Key; algorithm: Algorithm }> {
  try {
    return { key: await from(pem, "ES256"), algorithm: "ES256" };
  } catch {
    return { key: await from(pem, "RS256"), algorithm: "RS256" };
  }
}

export interface PublicJwk extends JWK {
  readonly alg: Algorithm;
  readonly kid: string;
  readonly use: "sig";
}

async function publicJwk(pem: string): Promise<PublicJwk> {
  const { key, algorithm } = await importWith((text, alg) => importSPKI(text, alg, { extractable: true }), pem);
  return { ...await exportJWK(key), alg: algorithm, kid: await keyId(pem), use: "sig" };
}

/** Upstream's: the SHA-256 of the key's DER form, in base64url without padding. */
async function keyId(pem: string): Promise<string> {
  const der = Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, "")), (letter) => letter.charCodeAt(0));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", der));
  return encodeBase64(hash).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
