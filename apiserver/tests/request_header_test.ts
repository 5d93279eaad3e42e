import assert from "node:assert/strict";
import { type CallOptions, start, type TestServer } from "../testing.ts";

const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const body = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
const proxy = { commonName: "front-proxy-client", organizations: ["system:masters"] };
const tokens = [{ token: "letmein", user: { name: "token-user", uid: "", groups: ["system:authenticated"] } }];

async function ask(server: TestServer, headers: readonly [string, string][], options: CallOptions = {}) {
  const { code, body: answer } = await server.post(path, body, { as: null, proxy, ...options, headers });
  return { code, user: answer.status?.userInfo, message: answer.message };
}

Deno.test("a front proxy's headers say who asks: each line is a value, whatever commas are in it, keys are decoded", async () => {
  await using server = await start();
  const { code, user } = await ask(server, [
    ["x-remote-user", "jane"],
    ["X-Remote-Group", "a, system:masters"],
    ["X-REMOTE-GROUP", "b"],
    ["x-remote-group", ""],
    ["X-Remote-Extra-Acme.com%2FProject", "one"],
    ["x-remote-extra-acme.com%2fproject", "two"],
    ["x-remote-extra-bad%zz", "kept"],
  ]);
  assert.equal(code, 201);
  assert.deepEqual(user, {
    username: "jane",
    groups: ["a, system:masters", "b", "system:authenticated"],
    extra: { "acme.com/project": ["one", "two"], "bad%zz": ["kept"] },
  });
  // What the proxy's own certificate says gives no rights.
  const nodes = await server.get("/api/v1/nodes", { as: null, proxy, headers: { "x-remote-user": "jane" } });
  assert.equal(nodes.code, 403);
  const admin: [string, string][] = [["x-remote-user", "jane"], ["x-remote-group", "system:masters"]];
  assert.equal((await server.get("/api/v1/nodes", { as: null, proxy, headers: admin })).code, 200);
});

Deno.test("headers of anybody but the front proxy are refused, with a token, a certificate or neither", async () => {
  await using server = await start({ config: { authentication: { tokens } } });
  const bearer: [string, string] = ["authorization", "Bearer letmein"];
  const jane: [string, string] = ["x-remote-user", "jane"];
  const wrongName = { proxy: { commonName: "other", organizations: [] } };
  assert.equal((await ask(server, [jane], wrongName)).code, 401);
  assert.equal((await ask(server, [jane, bearer], wrongName)).code, 403);
  assert.equal((await ask(server, [["x-remote-group", "system:masters"], bearer])).code, 403, "nobody is named");
  const asUser = { as: { commonName: "front-proxy-client", organizations: ["system:masters"] } };
  const user = await server.post(path, body, { ...asUser, headers: { "X-Remote-User": "jane" } });
  assert.equal(user.code, 403);
  // The proxy's word counts before a token, and a token before nothing.
  assert.equal((await ask(server, [jane, bearer])).user.username, "jane");
  assert.equal((await ask(server, [bearer])).user.username, "token-user");
  assert.equal((await ask(server, [])).code, 401);
});

Deno.test("headers of a front proxy that can be read in two ways are refused", async () => {
  await using server = await start();
  assert.equal((await ask(server, [["x-remote-user", "mallory"], ["X-Remote-User", "jane"]])).code, 403);
  assert.equal((await ask(server, [["x-remote-user", "j\xfcrgen"]])).code, 403, "Latin-1");
  assert.equal((await ask(server, [["x-remote-user", "j\xc3\xbcrgen"]])).user.username, "jürgen");
  assert.equal((await ask(server, [["x-remote-user", ""]])).code, 401);
});

Deno.test("the names that a front proxy may have are configured; none means any", async () => {
  const of = (allowedNames: string[]) => ({ cert: "", key: "", ca: "", clientCa: "", allowedNames });
  const other = { proxy: { commonName: "other", organizations: [] } };
  await using named = await start({ config: { frontProxy: of(["other"]) } });
  assert.equal((await ask(named, [["x-remote-user", "jane"]], other)).code, 201);
  assert.equal((await ask(named, [["x-remote-user", "jane"]])).code, 401);
  await using any = await start({ config: { frontProxy: of([]) } });
  assert.equal((await ask(any, [["x-remote-user", "jane"]], other)).code, 201);
});
