import { decodeBase64 } from "../../api/base64.ts";
import { dig, isRecord, items, record, text, texts } from "../dig.ts";

export type KeyKind = "aesgcm" | "aescbc" | "secretbox";

/** How values are kept; the first of a list writes, all of them read. */
export type Provider =
  | { readonly kind: "identity" }
  | { readonly kind: KeyKind; readonly name: string; readonly key: Uint8Array };

/** What is encrypted, and how. */
export interface EncryptionRule {
  /** `secrets`, `deployments.apps`, `*.`, `*.apps`, `*.*`. */
  readonly resources: readonly string[];
  readonly providers: readonly Provider[];
}

/** Wrong configuration: the server must not start, for it would write what should be secret. */
export class EncryptionConfigError extends Error {
  override readonly name = "EncryptionConfigError";
}

/**
 * apiserver.config.k8s.io/v1 EncryptionConfiguration, decoded from YAML or JSON. Each key becomes a provider of its own,
 * in order: a new first key writes, the others still read. @throws EncryptionConfigError
 */
export function parseEncryptionConfiguration(value: unknown): EncryptionRule[] {
  const { apiVersion, kind } = record(value);
  if (apiVersion !== "apiserver.config.k8s.io/v1" || kind !== "EncryptionConfiguration") {
    throw new EncryptionConfigError(
      `no EncryptionConfiguration of apiserver.config.k8s.io/v1 but ${String(kind)} of ${String(apiVersion)}`,
    );
  }
  const rules = items(dig(value, "resources")).map((rule, at) => parseRule(rule, `resources[${at}]`));
  if (rules.length === 0) throw new EncryptionConfigError("resources: Required value: at least one is needed");
  refuseRepeated(rules);
  return rules;
}

function parseRule(rule: unknown, path: string): EncryptionRule {
  const resources = texts(dig(rule, "resources"));
  if (resources.length === 0) throw new EncryptionConfigError(`${path}.resources: Required value`);
  for (const name of resources) {
    if (name !== name.toLowerCase()) {
      throw new EncryptionConfigError(`${path}.resources: Invalid value: "${name}": resource names are lower case`);
    }
    if (name === "*") {
      throw new EncryptionConfigError(
        `${path}.resources: Invalid value: "*": use '*.' to encrypt all of the core group`,
      );
    }
  }
  const providers = items(dig(rule, "providers")).flatMap((provider, at) =>
    parseProvider(provider, `${path}.providers[${at}]`)
  );
  if (providers.length === 0) throw new EncryptionConfigError(`${path}.providers: Required value`);
  return { resources, providers };
}

function parseProvider(provider: unknown, path: string): Provider[] {
  const names = isRecord(provider) ? Object.keys(provider) : [];
  const [kind = ""] = names;
  if (names.length !== 1) {
    throw new EncryptionConfigError(`${path}: exactly one provider is needed, not ${names.length}`);
  }
  switch (kind) {
    case "identity":
      return [{ kind }];
    case "aesgcm":
    case "aescbc":
    case "secretbox":
      return parseKeys(kind, dig(provider, kind, "keys"), `${path}.${kind}.keys`);
    default:
      throw new EncryptionConfigError(`${path}: the provider "${kind}" is not known here`);
  }
}

const keyBytes: Readonly<Record<KeyKind, readonly number[]>> = {
  aesgcm: [16, 24, 32],
  aescbc: [16, 24, 32],
  secretbox: [32],
};

function parseKeys(kind: KeyKind, value: unknown, path: string): Provider[] {
  const keys = items(value).map((entry, at): Provider => {
    const name = text(dig(entry, "name"));
    const key = decodeBase64(text(dig(entry, "secret")).trim());
    if (name === "" || name.includes(":")) {
      throw new EncryptionConfigError(`${path}[${at}].name: Invalid value: "${name}"`);
    }
    if (key === undefined) throw new EncryptionConfigError(`${path}[${at}].secret: must be base64 encoded`);
    if (!keyBytes[kind].includes(key.length)) {
      const expected = keyBytes[kind].join(", ");
      throw new EncryptionConfigError(
        `${path}[${at}].secret: secret is not of the expected length, got ${key.length}, expected one of [${expected}]`,
      );
    }
    return { kind, name, key };
  });
  if (keys.length === 0) throw new EncryptionConfigError(`${path}: Required value`);
  return keys;
}

function refuseRepeated(rules: readonly EncryptionRule[]): void {
  const seen = new Set<string>();
  for (const name of rules.flatMap(({ resources }) => resources)) {
    if (seen.has(name)) throw new EncryptionConfigError(`resources: Duplicate value: "${name}"`);
    seen.add(name);
  }
}

/** The rule for a resource: the first that names it, by itself or as one of many. */
export function ruleFor(rules: readonly EncryptionRule[], group: string, resource: string): EncryptionRule | undefined {
  const own = group === "" ? resource : `${resource}.${group}`;
  return rules.find(({ resources }) => resources.some((it) => it === own || it === `*.${group}` || it === "*.*"));
}
