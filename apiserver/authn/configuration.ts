import { dig, items, record, text, texts } from "../dig.ts";

/** Where a part of the identity comes from: a claim with a prefix, or an expression. */
export type Mapping =
  | { readonly claim: string; readonly prefix: string }
  | { readonly expression: string };

/** One trusted issuer of JSON Web Tokens. */
export interface JwtIssuer {
  readonly url: string;
  /** Where its configuration is, when not below `url`. */
  readonly discoveryUrl: string | undefined;
  /** The roots to trust, PEM; absent: the system's. */
  readonly ca: string | undefined;
  readonly audiences: readonly string[];
  readonly required: readonly { readonly claim: string; readonly value: string }[];
  /** Expressions over `claims` that must hold, and what is said when one does not. */
  readonly claimRules: readonly Rule[];
  readonly username: Mapping;
  readonly groups: Mapping | null;
  readonly uid: Mapping | null;
  readonly extra: readonly { readonly key: string; readonly expression: string }[];
  /** The same over `user`. */
  readonly userRules: readonly Rule[];
}

export interface Rule {
  readonly expression: string;
  readonly message: string;
}

/** Who may come without a credential. */
export interface Anonymous {
  readonly enabled: boolean;
  /** Empty: on every path. */
  readonly paths: readonly string[];
}

export interface Authentication {
  readonly jwt: readonly JwtIssuer[];
  /** Absent: health and version, as if nothing were configured. */
  readonly anonymous?: Anonymous;
}

export class AuthenticationConfigError extends Error {
  override readonly name = "AuthenticationConfigError";
}

const versions = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"];

/** AuthenticationConfiguration (KEP-3331), decoded from YAML or JSON. @throws AuthenticationConfigError */
export function parseAuthenticationConfiguration(value: unknown): Authentication {
  const { apiVersion, kind } = record(value);
  if (kind !== "AuthenticationConfiguration" || !versions.includes(text(apiVersion))) {
    throw new AuthenticationConfigError(
      `no AuthenticationConfiguration of ${versions[0]} but ${String(kind)} of ${String(apiVersion)}`,
    );
  }
  const jwt = items(dig(value, "jwt")).map((it, at) => parseIssuer(it, `jwt[${at}]`));
  const urls = jwt.map(({ url }) => url);
  const repeated = urls.find((url, at) => urls.indexOf(url) !== at);
  if (repeated !== undefined) throw new AuthenticationConfigError(`jwt: Duplicate value: "${repeated}"`);
  const anonymous = dig(value, "anonymous");
  if (anonymous === undefined) return { jwt };
  const paths = items(dig(anonymous, "conditions")).map((it) => text(dig(it, "path")));
  return { jwt, anonymous: { enabled: dig(anonymous, "enabled") === true, paths } };
}

function parseIssuer(value: unknown, path: string): JwtIssuer {
  const issuer = dig(value, "issuer");
  const url = httpsUrl(dig(issuer, "url"), `${path}.issuer.url`);
  const discovery = text(dig(issuer, "discoveryURL"));
  const audiences = texts(dig(issuer, "audiences")).filter((it) => it !== "");
  if (audiences.length === 0) throw new AuthenticationConfigError(`${path}.issuer.audiences: Required value`);
  if (audiences.length > 1 && dig(issuer, "audienceMatchPolicy") !== "MatchAny") {
    throw new AuthenticationConfigError(
      `${path}.issuer.audienceMatchPolicy: must be MatchAny for multiple audiences`,
    );
  }
  const rules = items(dig(value, "claimValidationRules"));
  const mappings = dig(value, "claimMappings");
  const username = parseMapping(dig(mappings, "username"), `${path}.claimMappings.username`);
  if (username === null) {
    throw new AuthenticationConfigError(`${path}.claimMappings.username: claim or expression is required`);
  }
  return {
    url,
    discoveryUrl: discovery === "" ? undefined : httpsUrl(discovery, `${path}.issuer.discoveryURL`),
    ca: text(dig(issuer, "certificateAuthority")) || undefined,
    audiences,
    required: rules.filter((it) => text(dig(it, "claim")) !== "").map((it) => ({
      claim: text(dig(it, "claim")),
      value: text(dig(it, "requiredValue")),
    })),
    claimRules: parseRules(rules),
    username,
    groups: parseMapping(dig(mappings, "groups"), `${path}.claimMappings.groups`),
    uid: parseMapping(dig(mappings, "uid"), `${path}.claimMappings.uid`, false),
    extra: items(dig(mappings, "extra")).map((it) => ({
      key: text(dig(it, "key")),
      expression: text(dig(it, "valueExpression")),
    })),
    userRules: parseRules(items(dig(value, "userValidationRules"))),
  };
}

function parseRules(rules: readonly unknown[]): Rule[] {
  return rules.filter((it) => text(dig(it, "expression")) !== "").map((it) => ({
    expression: text(dig(it, "expression")),
    message: text(dig(it, "message")),
  }));
}

function httpsUrl(value: unknown, path: string): string {
  const url = text(value);
  if (!URL.canParse(url) || new URL(url).protocol !== "https:") {
    throw new AuthenticationConfigError(`${path}: Invalid value: "${url}": URL scheme must be https`);
  }
  return url;
}

function parseMapping(value: unknown, path: string, needsPrefix = true): Mapping | null {
  const [claim, expression] = [text(dig(value, "claim")), text(dig(value, "expression"))];
  if (claim !== "" && expression !== "") {
    throw new AuthenticationConfigError(`${path}: claim and expression can't both be set`);
  }
  if (expression !== "") return { expression };
  if (claim === "") return null;
  const prefix = dig(value, "prefix");
  if (needsPrefix && typeof prefix !== "string") {
    throw new AuthenticationConfigError(
      `${path}.prefix: prefix is required when claim is set. It can be set to an empty string`,
    );
  }
  return { claim, prefix: text(prefix) };
}

/** The classic --oidc-* flags. */
export interface OidcFlags {
  readonly issuerUrl: string;
  readonly clientId: string;
  readonly ca?: string;
  /** Default `sub`. */
  readonly usernameClaim?: string;
  /** Default: `ISSUER#`, but nothing for `email`; `-` for nothing. */
  readonly usernamePrefix?: string;
  readonly groupsClaim?: string;
  readonly groupsPrefix?: string;
}

/** What the flags say, as an AuthenticationConfiguration. */
export function configurationOfFlags(flags: OidcFlags): Record<string, unknown> {
  const claim = flags.usernameClaim ?? "sub";
  const prefix = flags.usernamePrefix ?? (claim === "email" ? "-" : `${flags.issuerUrl}#`);
  const { issuerUrl, clientId, ca, groupsClaim, groupsPrefix = "" } = flags;
  return {
    apiVersion: versions[0],
    kind: "AuthenticationConfiguration",
    jwt: [{
      issuer: { url: issuerUrl, audiences: [clientId], ...(ca === undefined ? {} : { certificateAuthority: ca }) },
      claimMappings: {
        username: { claim, prefix: prefix === "-" ? "" : prefix },
        ...(groupsClaim === undefined ? {} : { groups: { claim: groupsClaim, prefix: groupsPrefix } }),
      },
    }],
  };
}
