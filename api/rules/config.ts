/** ConfigMaps and Secrets. */
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { base64Length, decodeBase64, encodeBase64 } from "../base64.ts";
import { type FieldError, forbidden, invalid, required, tooLong } from "../field_errors.ts";
import { byteLength } from "../go_text.ts";
import type { ConfigMap, Secret } from "../gen/types.ts";
import { equalJson, setOwn } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import { configMapKey } from "../names.ts";
import { each, unset } from "./common.ts";
import { metadataRules } from "./generic.ts";
import { immutable, nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import type { Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asConfigMap = (object: KubeObject): ConfigMap => object as ConfigMap;
const asSecret = (object: KubeObject): Secret => object as Secret;

/** All values of one ConfigMap or Secret. */
export const configBytesMax = 1024 * 1024;
const metaRule = { namespaced: true, name: nameRules.subdomain } as const;
const sealedText = "field is immutable when `immutable` is set";

export const configMapRules: Rules = {
  ...metadataRules(metaRule),
  validate: (object) => validateConfigMap(asConfigMap(object)),
  validateUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validateSealed(asConfigMap(next), asConfigMap(old), ["data", "binaryData"]),
    ...validateConfigMap(asConfigMap(next)),
  ],
};

export const secretRules: Rules = {
  ...metadataRules(metaRule),
  setDefaults(object) {
    const secret = asSecret(object);
    if (unset(secret.type)) secret.type = "Opaque";
    mergeStringData(secret);
  },
  validate: (object) => validateSecret(asSecret(object)),
  validateUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...immutable(asSecret(next).type, asSecret(old).type, "type"),
    ...validateSealed(asSecret(next), asSecret(old), ["data"]),
    ...validateSecret(asSecret(next)),
  ],
};

function validateConfigMap(config: ConfigMap): FieldError[] {
  const errors = validateMeta(config.metadata, metaRule);
  let bytes = 0;
  for (const [key, value] of Object.entries(config.data ?? {})) {
    errors.push(...each(configMapKey(key), `data[${key}]`, key));
    if (config.binaryData !== undefined && Object.hasOwn(config.binaryData, key)) {
      errors.push(invalid(`data[${key}]`, key, "duplicate of key present in binaryData"));
    }
    bytes += byteLength(value);
  }
  for (const [key, value] of Object.entries(config.binaryData ?? {})) {
    errors.push(...each(configMapKey(key), `binaryData[${key}]`, key));
    bytes += base64Length(value);
  }
  // The path is upstream's: the object as a whole has no name.
  if (bytes > configBytesMax) errors.push(tooLong("[]", configBytesMax));
  return errors;
}

interface Sealable {
  immutable?: boolean;
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
}

/** An object marked immutable stays so, with its data. */
function validateSealed(next: Sealable, old: Sealable, fields: readonly ("data" | "binaryData")[]): FieldError[] {
  if (old.immutable !== true) return [];
  const errors: FieldError[] = [];
  if (next.immutable !== true) errors.push(forbidden("immutable", sealedText));
  for (const field of fields) {
    if (!equalJson(next[field] ?? {}, old[field] ?? {})) errors.push(forbidden(field, sealedText));
  }
  return errors;
}

/** stringData is for writing only: it is folded into data. */
function mergeStringData(secret: Secret): void {
  if (secret.stringData === undefined) return;
  const data = secret.data ??= {};
  for (const [key, value] of Object.entries(secret.stringData)) setOwn(data, key, encodeBase64(utf8(value)));
  delete secret.stringData;
}

function validateSecret(secret: Secret): FieldError[] {
  const errors = validateMeta(secret.metadata, metaRule);
  const data = secret.data ?? {};
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    errors.push(...each(configMapKey(key), `data[${key}]`, key));
    bytes += base64Length(value);
  }
  if (bytes > configBytesMax) errors.push(tooLong("data", configBytesMax));
  return [...errors, ...validateType(secret, data)];
}

/** What each type of Secret must hold. Types that are not listed hold anything. */
function validateType(secret: Secret, data: Readonly<Record<string, string>>): FieldError[] {
  switch (secret.type) {
    case "kubernetes.io/service-account-token": {
      const key = "kubernetes.io/service-account.name";
      const name = secret.metadata?.annotations?.[key] ?? "";
      return name === "" ? [required(`metadata.annotations[${key}]`)] : [];
    }
    case "kubernetes.io/dockercfg":
      return validateJson(data, ".dockercfg");
    case "kubernetes.io/dockerconfigjson":
      return validateJson(data, ".dockerconfigjson");
    case "kubernetes.io/basic-auth":
      if (Object.hasOwn(data, "username") || Object.hasOwn(data, "password")) return [];
      return [required("data[username]"), required("data[password]")];
    case "kubernetes.io/ssh-auth":
      return (data["ssh-privatekey"] ?? "") === "" ? [required("data[ssh-privatekey]")] : [];
    case "kubernetes.io/tls":
      return ["tls.crt", "tls.key"].filter((key) => !Object.hasOwn(data, key)).map((key) => required(`data[${key}]`));
    default:
      return [];
  }
}

function validateJson(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const path = `data[${key}]`;
  const text = Object.hasOwn(data, key) ? data[key] : undefined;
  if (text === undefined) return [required(path)];
  try {
    JSON.parse(fromUtf8(decodeBase64(text) ?? new Uint8Array(0)));
    return [];
  } catch (error) {
    const why = error instanceof SyntaxError ? "invalid JSON" : String(error);
    return [invalid(path, "<secret contents redacted>", why)];
  }
}
