import { createLocalJWKSet, decodeJwt, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";
import { invariant } from "../../base/assert.ts";
import type { Clock, HttpClient, Timers } from "../../platform/mod.ts";
import { Budget } from "../cel/budget.ts";
import { evaluate, scopeOf } from "../cel/evaluate.ts";
import { loadParser, type Parser } from "../cel/parse.ts";
import { CelError, fromJson, toJson } from "../cel/values.ts";
import { loadPatterns, type Patterns } from "../crd/patterns.ts";
import { dig, isRecord, text, texts } from "../dig.ts";
import { limits } from "../limits.ts";
import { askJson } from "./answer.ts";
import type { JwtIssuer, Mapping, Rule } from "./configuration.ts";
import { type TokenAuthenticator, TokenError } from "./token_authenticator.ts";
import { authenticatedGroup, type User } from "./user.ts";

/** A way to servers that the configuration names. @param ca roots, PEM; undefined: the system's */
export type DialHttps = (ca: string | undefined) => HttpClient;

interface Deps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly dial: DialHttps;
}

const algorithms = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"];

/**
 * ID tokens of one OpenID Connect issuer. Its keys are fetched when the first token comes, and again when one is signed by a
 * key that is not known, at most every ten seconds.
 * @see kubernetes docs "Authenticating", AuthenticationConfiguration; OpenID Connect Discovery 1.0
 */
export function jwtTokens(issuer: JwtIssuer, deps: Deps): TokenAuthenticator {
  const keys = new IssuerKeys(issuer, deps);
  let engine: Promise<Expressions | null> | null = null;
  return async (token, audiences) => {
    if (issuerOf(token) !== issuer.url) return null;
    const claims = await verified(token, issuer, keys, deps.clock.now());
    engine ??= loadExpressions(issuer);
    return { user: userOf(issuer, claims, await engine), audiences };
  };
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

async function verified(token: string, issuer: JwtIssuer, keys: IssuerKeys, now: number): Promise<JWTPayload> {
  const options = {
    issuer: issuer.url,
    audience: [...issuer.audiences],
    algorithms,
    currentDate: new Date(now),
    requiredClaims: ["exp"],
  };
  try {
    for (const mayFetch of [true, false]) {
      try {
        return (await jwtVerify(token, createLocalJWKSet(await keys.current(now)), options)).payload;
      } catch (error) {
        if (!mayFetch || !(error instanceof errors.JWKSNoMatchingKey) || !keys.forget(now)) throw error;
      }
    }
  } catch (error) {
    throw error instanceof errors.JOSEError ? new TokenError(`oidc: verify token: ${error.message}`) : error;
  }
  throw new TokenError("oidc: verify token: no key fits");
}

class IssuerKeys {
  readonly #issuer: JwtIssuer;
  readonly #client: HttpClient;
  readonly #timers: Timers;
  #keys: Promise<JSONWebKeySet> | null = null;
  #fetchedAt = -Infinity;

  constructor(issuer: JwtIssuer, { dial, timers }: Deps) {
    this.#issuer = issuer;
    this.#timers = timers;
    this.#client = dial(issuer.ca);
  }

  current(now: number): Promise<JSONWebKeySet> {
    if (this.#keys === null) {
      this.#fetchedAt = now;
      const keys = this.#fetch();
      // What failed is tried again with the next token.
      keys.catch(() => this.#keys = null);
      this.#keys = keys;
    }
    return this.#keys;
  }

  /** Fetches anew next time. False: that was done a moment ago. */
  forget(now: number): boolean {
    if (now - this.#fetchedAt < limits.issuerKeysMs) return false;
    this.#keys = null;
    return true;
  }

  async #fetch(): Promise<JSONWebKeySet> {
    const { url, discoveryUrl } = this.#issuer;
    const configuration = await this.#get(discoveryUrl ?? `${url.replace(/\/$/, "")}/.well-known/openid-configuration`);
    const said = text(dig(configuration, "issuer"));
    if (said !== url) {
      throw new TokenError(
        `oidc: issuer did not match the issuer returned by provider, expected "${url}" got "${said}"`,
      );
    }
    const keys = await this.#get(text(dig(configuration, "jwks_uri")));
    if (!isRecord(keys) || !Array.isArray(keys["keys"])) throw new TokenError("oidc: the issuer's keys cannot be read");
    return { keys: keys["keys"] };
  }

  async #get(url: string): Promise<unknown> {
    if (!URL.canParse(url) || new URL(url).protocol !== "https:") throw new TokenError(`oidc: ${url} is not https`);
    return await askJson(url, this.#timers, (signal) => this.#client.fetch(url, { redirect: "error", signal }));
  }
}

interface Expressions {
  readonly parse: Parser;
  readonly engine: { readonly patterns: Patterns };
}

/** Null where the configuration has none: the parser costs tens of milliseconds. */
async function loadExpressions(issuer: JwtIssuer): Promise<Expressions | null> {
  const any = [issuer.username, issuer.groups, issuer.uid].some((it) => it !== null && "expression" in it);
  if (!any && issuer.claimRules.length + issuer.userRules.length + issuer.extra.length === 0) return null;
  return { parse: await loadParser(), engine: { patterns: await loadPatterns() } };
}

function userOf(issuer: JwtIssuer, claims: JWTPayload, expressions: Expressions | null): User {
  const budget = new Budget(limits.celObjectBudget);
  const run = (expression: string, scope: Record<string, unknown>): unknown => {
    invariant(expressions !== null, "the expressions are loaded where there are any");
    const { parse, engine } = expressions;
    try {
      const values = Object.fromEntries(Object.entries(scope).map(([name, value]) => [name, fromJson(value)]));
      return toJson(evaluate(parse(expression), scopeOf(values), budget, engine));
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      throw new TokenError(`oidc: expression '${expression}' resulted in error: ${error.message}`);
    }
  };
  const hold = (rules: readonly Rule[], scope: Record<string, unknown>) => {
    for (const { expression, message } of rules) {
      if (run(expression, scope) !== true) {
        throw new TokenError(`oidc: ${message || `validation expression '${expression}' failed`}`);
      }
    }
  };
  const valueOf = (mapping: Mapping): unknown =>
    "expression" in mapping ? run(mapping.expression, { claims }) : claims[mapping.claim];
  const prefixOf = (mapping: Mapping) => "expression" in mapping ? "" : mapping.prefix;

  for (const { claim, value } of issuer.required) {
    if (claims[claim] !== value) throw new TokenError(`oidc: required claim ${claim} value does not match`);
  }
  hold(issuer.claimRules, { claims });
  const { username, groups, uid } = issuer;
  const name = valueOf(username);
  if (typeof name !== "string" || name === "") throw new TokenError("oidc: the token names no user");
  // An address that nobody has confirmed is anybody's.
  if (
    "claim" in username && username.claim === "email" && "email_verified" in claims && claims["email_verified"] !== true
  ) {
    throw new TokenError("oidc: email not verified");
  }
  const given = groups === null ? [] : valueOf(groups) ?? [];
  const names = typeof given === "string" ? [given] : texts(given);
  const extra = Object.fromEntries(
    issuer.extra.map(({ key, expression }) => {
      const value = run(expression, { claims });
      return [key, typeof value === "string" ? [value] : texts(value)];
    }).filter(([, values]) => (values?.length ?? 0) > 0),
  );
  const user = {
    name: prefixOf(username) + name,
    uid: uid === null ? "" : text(valueOf(uid)),
    groups: names.map((group) => (groups === null ? "" : prefixOf(groups)) + group),
    ...(Object.keys(extra).length === 0 ? {} : { extra: extra as Record<string, string[]> }),
  };
  hold(issuer.userRules, {
    user: { username: user.name, uid: user.uid, groups: user.groups, extra: user.extra ?? {} },
  });
  return { ...user, groups: [...user.groups, authenticatedGroup] };
}
