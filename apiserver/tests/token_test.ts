import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { HttpClient } from "../../platform/mod.ts";
import { configurationOfFlags, type OidcFlags, parseAuthenticationConfiguration } from "../authn/configuration.ts";
import { parseTokenFile } from "../authn/static_tokens.ts";
import { start, type StartOptions, type TestServer } from "../testing.ts";

const url = "https://issuer.example.com";
const reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const now = Date.parse("2026-01-01T00:00:00Z") / 1000;

async function whoami(server: TestServer, token: string) {
  const call = { as: null, headers: { authorization: `Bearer ${token}` } };
  const { code, body } = await server.post(reviews, {}, call);
  return code === 201 ? body.status.userInfo : code;
}

/** An OpenID Connect provider without a socket; its keys may change. */
class Provider {
  readonly asked: string[] = [];
  #keys = new Map<string, CryptoKeyPair>();

  async rotate(kid: string): Promise<void> {
    this.#keys = new Map([[kid, await generateKeyPair("ES256", { extractable: true }) as CryptoKeyPair]]);
  }

  async token(claims: Record<string, unknown>, expiresAt = now + 600): Promise<string> {
    const [found] = this.#keys;
    if (found === undefined) throw new Error("no key");
    const [kid, { privateKey }] = found;
    return await new SignJWT({ aud: "cluster", iss: url, ...claims }).setProtectedHeader({ alg: "ES256", kid })
      .setIssuedAt(now).setExpirationTime(expiresAt).sign(privateKey);
  }

  readonly dial = (): HttpClient => ({
    fetch: async (asked) => {
      this.asked.push(asked);
      if (asked.endsWith("/.well-known/openid-configuration")) {
        return Response.json({ issuer: url, jwks_uri: `${url}/keys` });
      }
      const keys = await Promise.all(
        [...this.#keys].map(async ([kid, { publicKey }]) => ({ ...await exportJWK(publicKey), kid })),
      );
      return Response.json({ keys });
    },
    webSocket: () => Promise.reject(new Error("none")),
    close: () => {},
  });
}

async function withProvider(
  jwt: unknown,
  test: (server: TestServer, provider: Provider) => Promise<void>,
): Promise<void> {
  const provider = new Provider();
  await provider.rotate("k1");
  const { jwt: issuers } = parseAuthenticationConfiguration({
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "AuthenticationConfiguration",
    jwt: [jwt],
  });
  const options: StartOptions = { config: { authentication: { jwt: issuers } }, dialHttps: provider.dial };
  await using server = await start(options);
  await test(server, provider);
}

const issuer = { url, audiences: ["cluster"] };

Deno.test("an ID token of a trusted issuer is its user, with prefixes; others, stale and forged ones are 401", () =>
  withProvider({
    issuer,
    claimMappings: { username: { claim: "sub", prefix: "oidc:" }, groups: { claim: "roles", prefix: "oidc:" } },
    claimValidationRules: [{ claim: "hd", requiredValue: "example.com" }],
  }, async (server, provider) => {
    const claims = { sub: "jane", roles: ["dev", "ops"], hd: "example.com" };
    const jane = { username: "oidc:jane", groups: ["oidc:dev", "oidc:ops", "system:authenticated"] };
    assert.deepEqual(await whoami(server, await provider.token(claims)), jane);
    assert.deepEqual((await whoami(server, await provider.token({ ...claims, roles: "one" }))).groups[0], "oidc:one");
    assert.equal(await whoami(server, await provider.token({ ...claims, hd: "other.com" })), 401);
    assert.equal(await whoami(server, await provider.token({ ...claims, aud: "elsewhere" })), 401);
    assert.equal(await whoami(server, await provider.token({ ...claims, iss: "https://evil.example.com" })), 401);
    assert.equal(await whoami(server, await provider.token(claims, now - 1)), 401);
    assert.equal(await whoami(server, await provider.token({ hd: "example.com" })), 401, "nobody");
    assert.equal(provider.asked.length, 2, "discovery and keys, once");
    // A new key is looked for, but not as often as somebody likes to make one up.
    await provider.rotate("k2");
    const rotated = await provider.token(claims);
    assert.equal(await whoami(server, rotated), 401, "a moment after the last look");
    await server.time.advance(10_000);
    assert.deepEqual(await whoami(server, rotated), jane);
    assert.equal(provider.asked.length, 4);
    const review = await server.post("/apis/authentication.k8s.io/v1/tokenreviews", { spec: { token: rotated } });
    assert.equal(review.body.status.user.username, "oidc:jane");
  }));

Deno.test("claims are mapped and judged by CEL", () =>
  withProvider({
    issuer,
    claimValidationRules: [{ expression: "claims.level >= 3", message: "the level is too low" }],
    claimMappings: {
      username: { expression: "claims.sub + '@' + claims.realm" },
      groups: { expression: "claims.roles.filter(role, role != 'secret')" },
      uid: { claim: "sub" },
      extra: [{ key: "example.com/tenant", valueExpression: "claims.tenant" }],
    },
    userValidationRules: [{ expression: "!user.username.startsWith('system:')", message: "reserved" }],
  }, async (server, provider) => {
    const claims = { sub: "jane", realm: "x", roles: ["dev", "secret"], level: 3, tenant: "t1" };
    assert.deepEqual(await whoami(server, await provider.token(claims)), {
      username: "jane@x",
      uid: "jane",
      groups: ["dev", "system:authenticated"],
      extra: { "example.com/tenant": ["t1"] },
    });
    assert.equal(await whoami(server, await provider.token({ ...claims, level: 2 })), 401);
    assert.equal(await whoami(server, await provider.token({ ...claims, sub: "system:admin" })), 401);
    const { roles: _roles, ...without } = claims;
    assert.equal(await whoami(server, await provider.token(without)), 401, "an expression that fails lets nobody in");
  }));

Deno.test("the classic flags say the same: the issuer is the prefix, an unconfirmed address is nobody", () => {
  const flags = { issuerUrl: url, clientId: "cluster" };
  const issuerOfFlags = (given: OidcFlags) => {
    const [found] = parseAuthenticationConfiguration(configurationOfFlags(given)).jwt;
    assert.ok(found);
    return found;
  };
  assert.deepEqual(issuerOfFlags(flags).username, { claim: "sub", prefix: `${url}#` });
  assert.deepEqual(issuerOfFlags({ ...flags, usernameClaim: "email" }).username, { claim: "email", prefix: "" });
  assert.deepEqual(issuerOfFlags({ ...flags, usernamePrefix: "-" }).username, { claim: "sub", prefix: "" });
  assert.throws(() => issuerOfFlags({ ...flags, issuerUrl: "http://x" }), /URL scheme must be https/);
  return withProvider(
    { issuer, claimMappings: { username: { claim: "email", prefix: "" } } },
    async (server, provider) => {
      const email = "jane@example.com";
      assert.equal((await whoami(server, await provider.token({ email, email_verified: true }))).username, email);
      assert.equal(await whoami(server, await provider.token({ email, email_verified: false })), 401);
    },
  );
});

Deno.test("a token webhook's word counts for two minutes, yes as no; one that fails lets nobody in", async () => {
  const asked: string[] = [];
  let broken = false;
  await using server = await start({
    config: { authentication: { webhook: { url: "https://hook.example.com/tokens", ca: undefined } } },
    postHttps: ({ body }) => {
      const { spec } = JSON.parse(body);
      asked.push(spec.token);
      if (broken) return Promise.resolve(new Response("", { status: 500 }));
      const user = { username: "hooked", uid: "7", groups: ["g"], extra: { a: ["b"] } };
      return Promise.resolve(Response.json({ status: spec.token === "good" ? { authenticated: true, user } : {} }));
    },
  });
  const hooked = { username: "hooked", uid: "7", groups: ["g", "system:authenticated"], extra: { a: ["b"] } };
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await whoami(server, "good"), hooked);
    assert.equal(await whoami(server, "bad"), 401);
  }
  assert.deepEqual(asked, ["good", "bad"]);
  await server.time.advance(120_000);
  broken = true;
  assert.equal(await whoami(server, "good"), 401);
});

Deno.test("a token file's users are known by their tokens", async () => {
  const file = '# comment\nsecret1,jane,u1,"dev,ops"\nsecret2,bob,u2,\n';
  await using server = await start({ config: { authentication: { tokens: parseTokenFile(file) } } });
  assert.deepEqual(await whoami(server, "secret1"), {
    username: "jane",
    uid: "u1",
    groups: ["dev", "ops", "system:authenticated"],
  });
  assert.deepEqual((await whoami(server, "secret2")).groups, ["system:authenticated"]);
  for (const wrong of ["secret", "secret11", "secret3"]) assert.equal(await whoami(server, wrong), 401);
  assert.throws(() => parseTokenFile("only-a-token"), /line 1/);
});

Deno.test("anonymous requests come to the configured paths alone, or nowhere", async () => {
  const codes = async (anonymous: { enabled: boolean; paths: string[] }) => {
    await using server = await start({ config: { authentication: { anonymous } } });
    return await Promise.all(
      ["/livez", "/readyz", "/api"].map(async (path) => (await server.get(path, { as: null })).code),
    );
  };
  assert.deepEqual(await codes({ enabled: true, paths: ["/livez"] }), [200, 401, 401]);
  assert.deepEqual(await codes({ enabled: false, paths: [] }), [401, 401, 401]);
  assert.deepEqual(await codes({ enabled: true, paths: [] }), [200, 200, 403], "everywhere, with the rights of nobody");
});
