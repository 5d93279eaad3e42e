import { concatBytes, utf8 } from "../../base/bytes.ts";
import { invariant } from "../../base/assert.ts";
import type { Ciphers, Random } from "../../platform/mod.ts";
import type { KeyKind, Provider } from "./configuration.ts";

/** Values at rest of one rule. */
export interface Transformer {
  /** @param key the storage key: a sealed value is worth nothing under another one */
  seal(plain: Uint8Array, key: Uint8Array): Uint8Array;
  /** `stale`: not as {@linkcode seal} would write it now. @throws Error when no provider can read it */
  open(stored: Uint8Array, key: Uint8Array): { readonly plain: Uint8Array; readonly stale: boolean };
}

interface Cipher {
  readonly prefix: Uint8Array;
  seal(plain: Uint8Array, key: Uint8Array): Uint8Array;
  open(sealed: Uint8Array, key: Uint8Array): Uint8Array;
}

/** What every encrypted value begins with. */
const mark = utf8("k8s:enc:");

/** In upstream's form: `k8s:enc:aesgcm:v1:NAME:`, nonce, text. @see kubernetes apiserver/pkg/storage/value */
export function transformerOf(
  providers: readonly Provider[],
  deps: { readonly ciphers: Ciphers; readonly random: Pick<Random, "bytes"> },
): Transformer {
  const all = providers.map((provider) => cipherOf(provider, deps));
  const [writer] = all;
  invariant(writer !== undefined, "a rule without a provider is refused when it is read");
  return {
    seal: (plain, key) => concatBytes([writer.prefix, writer.seal(plain, key)]),
    open(stored, key) {
      for (const cipher of all) {
        // Plain text is read where identity is listed, and encrypted values never are by it.
        const fits = cipher.prefix.length === 0 ? !startsWith(stored, mark) : startsWith(stored, cipher.prefix);
        if (!fits) continue;
        return { plain: cipher.open(stored.subarray(cipher.prefix.length), key), stale: cipher !== writer };
      }
      throw new Error("no matching prefix found");
    },
  };
}

const nonceBytes: Readonly<Record<KeyKind, number>> = { aesgcm: 12, aescbc: 16, secretbox: 24 };

function cipherOf(
  provider: Provider,
  { ciphers, random }: { readonly ciphers: Ciphers; readonly random: Pick<Random, "bytes"> },
): Cipher {
  if (provider.kind === "identity") return { prefix: new Uint8Array(0), seal: (it) => it, open: (it) => it };
  const { kind, name, key } = provider;
  const length = nonceBytes[kind];
  const run = operations(kind, key, ciphers);
  return {
    prefix: utf8(`k8s:enc:${kind}:v1:${name}:`),
    seal(plain, path) {
      const nonce = random.bytes(length);
      return concatBytes([nonce, run.seal(nonce, plain, path)]);
    },
    open: (sealed, path) => run.open(sealed.subarray(0, length), sealed.subarray(length), path),
  };
}

function operations(kind: KeyKind, key: Uint8Array, ciphers: Ciphers) {
  type Run = (nonce: Uint8Array, text: Uint8Array, path: Uint8Array) => Uint8Array;
  const byKind: Readonly<Record<KeyKind, { readonly seal: Run; readonly open: Run }>> = {
    aesgcm: {
      seal: (nonce, plain, path) => ciphers.sealGcm(key, nonce, plain, path),
      open: (nonce, sealed, path) => ciphers.openGcm(key, nonce, sealed, path),
    },
    aescbc: {
      seal: (nonce, plain) => ciphers.encryptCbc(key, nonce, plain),
      open: (nonce, sealed) => ciphers.decryptCbc(key, nonce, sealed),
    },
    secretbox: {
      seal: (nonce, plain) => ciphers.sealBox(key, nonce, plain),
      open: (nonce, sealed) => ciphers.openBox(key, nonce, sealed),
    },
  };
  return byKind[kind];
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}
