import assert from "node:assert/strict";
import { mergeContext, removeContext } from "./kubeconfig.ts";

const ours = { name: "sauropod-x", server: "https://127.0.0.1:6443", ca: "CA", cert: "CERT", key: "KEY" };
const theirs = {
  apiVersion: "v1",
  kind: "Config",
  clusters: [{ name: "work", cluster: { server: "https://work" } }],
  users: [{ name: "me", user: { token: "t" } }],
  contexts: [{ name: "work", context: { cluster: "work", user: "me", namespace: "dev" } }],
  "current-context": "work",
  extensions: [{ name: "kept" }],
};

Deno.test("mergeContext() adds cluster, user and current context, and keeps everything else", () => {
  const merged = mergeContext(theirs, ours);
  assert.equal(merged["current-context"], "sauropod-x");
  assert.deepEqual(merged["extensions"], theirs.extensions);
  assert.deepEqual(merged["contexts"], [...theirs.contexts, {
    name: "sauropod-x",
    context: { cluster: "sauropod-x", user: "sauropod-x" },
  }]);
  assert.deepEqual(merged["clusters"], [...theirs.clusters, {
    name: "sauropod-x",
    cluster: { server: ours.server, "certificate-authority-data": btoa("CA") },
  }]);
});

Deno.test("mergeContext() replaces a context of the same name in place, and makes a whole config from nothing", () => {
  const twice = mergeContext(mergeContext(null, ours), { ...ours, server: "https://other" });
  assert.deepEqual(twice["clusters"], [{
    name: "sauropod-x",
    cluster: { server: "https://other", "certificate-authority-data": btoa("CA") },
  }]);
  assert.deepEqual([twice["apiVersion"], twice["kind"]], ["v1", "Config"]);
});

Deno.test("removeContext() undoes mergeContext(), but for the current context", () => {
  const { preferences, ...rest } = removeContext(mergeContext(theirs, ours), "sauropod-x");
  assert.deepEqual(preferences, {});
  assert.deepEqual(rest, { ...theirs, "current-context": "" });
  assert.deepEqual(removeContext(theirs, "unknown"), theirs);
});

Deno.test("removeContext() keeps a cluster and user that another context uses", () => {
  const shared = mergeContext(theirs, ours);
  const contexts = [
    ...(Array.isArray(shared["contexts"]) ? shared["contexts"] : []),
    { name: "alias", context: { cluster: "sauropod-x", user: "sauropod-x" } },
  ];
  const removed = removeContext({ ...shared, contexts }, "sauropod-x");
  assert.deepEqual(removed["clusters"], shared["clusters"]);
  assert.deepEqual(removed["users"], shared["users"]);
});
