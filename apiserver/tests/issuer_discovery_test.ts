import assert from "node:assert/strict";
import { createLocalJWKSet, jwtVerify } from "jose";
import { start } from "../testing.ts";

Deno.test("the issuer's discovery documents let others verify a ServiceAccount's token, and are for accounts", async () => {
  await using server = await start();
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  await server.post(accounts, { metadata: { name: "robot" } });
  const token = (await server.post(`${accounts}/robot/token`, { spec: { audiences: ["vault"] } })).body.status.token;
  const own = (await server.post(`${accounts}/robot/token`, {})).body.status.token;
  const asRobot = { as: null, headers: { authorization: `Bearer ${own}` } };

  const found = await server.get("/.well-known/openid-configuration", asRobot);
  assert.equal(found.code, 200);
  assert.equal(found.headers.get("content-type"), "application/json");
  assert.deepEqual(found.body, {
    issuer: "https://kubernetes.default.svc.cluster.local",
    jwks_uri: "https://127.0.0.9:6443/openid/v1/jwks",
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  });
  const keys = await server.get("/openid/v1/jwks", asRobot);
  assert.equal(keys.headers.get("content-type"), "application/jwk-set+json");
  assert.equal(keys.body.keys[0].use, "sig");
  const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(keys.body), {
    issuer: found.body.issuer,
    audience: "vault",
    currentDate: new Date(server.time.now()),
  });
  assert.equal(payload.sub, "system:serviceaccount:default:robot");
  assert.equal(protectedHeader.kid, keys.body.keys[0].kid);

  const jane = { commonName: "jane", organizations: [] };
  assert.equal((await server.get("/openid/v1/jwks", { as: jane })).code, 403);
  assert.equal((await server.get("/openid/v1/jwks", { as: null })).code, 401);
});
