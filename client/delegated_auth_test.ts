import assert from "node:assert/strict";
import { subjectAccessReviews, tokenReviews } from "../api/resources.ts";
import type { SubjectAccessReview, TokenReview } from "../api/gen/types.ts";
import type { PeerIdentity } from "../platform/mod.ts";
import { createDelegatedAuth } from "./delegated_auth.ts";
import * as limits from "./limits.ts";
import { createFakeApi, createVirtualTime, silentLog } from "./testing.ts";
import type { RestClient } from "./types.ts";

const metrics = { nonResourceAttributes: { path: "/metrics", verb: "get" } };

/** Knows the token `good` of the user `prometheus`, who alone may. */
function setUp(options: { anonymous?: boolean; hold?: Promise<void> } = {}) {
  const time = createVirtualTime();
  const asked: unknown[] = [];
  const create = async (info: unknown, object: TokenReview | SubjectAccessReview) => {
    asked.push(object.spec);
    await options.hold;
    if (info === tokenReviews) {
      const { token } = (object as TokenReview).spec;
      const bare = { username: "prometheus", uid: "", groups: [], extra: {} };
      const user = { username: "prometheus", uid: "u", groups: ["monitors"], extra: { x: ["y"] } };
      if (token === "bare") return { status: { authenticated: true, user: bare } };
      return { status: token === "good" ? { authenticated: true, user } : { authenticated: false } };
    }
    assert.equal(info, subjectAccessReviews);
    return { status: { allowed: (object as SubjectAccessReview).spec.user === "prometheus" } };
  };
  const client = { ...createFakeApi({ clock: time.clock }).client, create } as unknown as RestClient;
  const { anonymous = false } = options;
  const auth = createDelegatedAuth({ anonymous }, { client, clock: time.clock, log: silentLog });
  const check = (authorization: string | null, peer: PeerIdentity | null = null) => {
    const headers: Record<string, string> = authorization === null ? {} : { authorization };
    return auth.check({ request: new Request("https://x/metrics", { headers }), peer }, metrics, 'get path "/metrics"');
  };
  return { time, asked, check };
}

Deno.test("createDelegatedAuth() asks who has a token and whether they may, and remembers both for ten seconds", async () => {
  const { time, asked, check } = setUp();
  assert.deepEqual(await check("Bearer good"), { allowed: true });
  const user = { user: "prometheus", uid: "u", groups: ["monitors"], extra: { x: ["y"] } };
  assert.deepEqual(asked, [{ token: "good" }, { ...user, ...metrics }]);
  assert.deepEqual(await check("Bearer good"), { allowed: true });
  assert.equal(asked.length, 2);
  await time.advance(limits.accessAnswerMs + 1);
  await check("Bearer good");
  assert.equal(asked.length, 4);
});

Deno.test("createDelegatedAuth() leaves out of a SubjectAccessReview what is empty of its user", async () => {
  const { asked, check } = setUp();
  assert.deepEqual(await check("Bearer bare"), { allowed: true });
  assert.deepEqual(asked, [{ token: "bare" }, { user: "prometheus", ...metrics }]);
});

Deno.test("createDelegatedAuth() refuses an unknown token (401), a certificate without the right (403), and who shows nothing", async () => {
  const { check } = setUp();
  const unauthorized = { allowed: false, status: 401, message: "Unauthorized" } as const;
  assert.deepEqual(await check("Bearer bad"), unauthorized);
  assert.deepEqual(await check("Basic Zm9vOmJhcg=="), unauthorized);
  assert.deepEqual(await check(null), unauthorized);
  const forbidden = (user: string) => {
    return { allowed: false, status: 403, message: `forbidden: User "${user}" cannot get path "/metrics"` } as const;
  };
  assert.deepEqual(await check(null, { commonName: "jane", organizations: [] }), forbidden("jane"));
  assert.deepEqual(await check("Bearer good", { commonName: "jane", organizations: [] }), forbidden("jane"));
  assert.deepEqual(await setUp({ anonymous: true }).check(null), forbidden("system:anonymous"));
});

Deno.test("createDelegatedAuth() has a bounded number of questions under way; on top of that it answers 429 and asks nobody", async () => {
  const hold = Promise.withResolvers<void>();
  const { asked, check } = setUp({ hold: hold.promise });
  const waiting = Array.from({ length: limits.maxAccessReviews }, (_, i) => check(`Bearer ${i}`));
  assert.deepEqual(await check("Bearer good"), { allowed: false, status: 429, message: "Too many requests" });
  assert.equal(asked.length, limits.maxAccessReviews);
  hold.resolve();
  await Promise.all(waiting);
  assert.deepEqual(await check("Bearer good"), { allowed: true });
});

Deno.test("createDelegatedAuth() answers 500 and remembers nothing when the API server does not answer", async () => {
  const hold = Promise.withResolvers<void>();
  const { check } = setUp({ hold: hold.promise });
  hold.reject(new Error("nobody there"));
  assert.deepEqual(await check("Bearer good"), { allowed: false, status: 500, message: "Internal Server Error" });
});
