import assert from "node:assert/strict";
import { start } from "../testing.ts";

const namespaces = "/api/v1/namespaces";

Deno.test("a namespace is Active with the kubernetes finalizer and its name as a label", async () => {
  await using server = await start();
  const made = await server.post(namespaces, { metadata: { name: "n" } });
  assert.equal(made.body.status.phase, "Active");
  assert.deepEqual(made.body.spec.finalizers, ["kubernetes"]);
  assert.equal(made.body.metadata.labels["kubernetes.io/metadata.name"], "n");
  assert.equal(made.body.metadata.namespace, undefined);
  const generated = await server.post(namespaces, { metadata: { generateName: "g-" } });
  assert.equal(generated.body.metadata.labels["kubernetes.io/metadata.name"], generated.body.metadata.name);
});

Deno.test("DELETE makes it Terminating; then nothing is created in it, and the last finalizer ends it", async () => {
  await using server = await start();
  await server.post(namespaces, { metadata: { name: "n" } });
  await server.post(`${namespaces}/n/configmaps`, { metadata: { name: "before" } });
  const marked = await server.delete(`${namespaces}/n`);
  assert.equal(marked.code, 200);
  assert.equal(marked.body.kind, "Namespace");
  assert.equal(marked.body.status.phase, "Terminating");
  assert.notEqual(marked.body.metadata.deletionTimestamp, undefined);
  const refused = await server.post(`${namespaces}/n/configmaps`, { metadata: { name: "a" } });
  assert.equal(refused.code, 403);
  assert.deepEqual(refused.body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: 'configmaps "a" is forbidden: unable to create new content in namespace n because it is being terminated',
    reason: "Forbidden",
    details: {
      name: "a",
      kind: "configmaps",
      causes: [{
        reason: "NamespaceTerminating",
        message: "namespace n is being terminated",
        field: "metadata.namespace",
      }],
    },
    code: 403,
  });
  assert.equal((await server.patch(`${namespaces}/n/configmaps/before`, { data: { k: "v" } })).code, 200);
  const again = await server.delete(`${namespaces}/n`);
  assert.equal(again.code, 409);
  assert.match(again.body.message, /The system is ensuring all content is removed from this namespace\./);
  const finalized = await server.put(`${namespaces}/n/finalize`, {
    ...marked.body,
    metadata: { ...marked.body.metadata, labels: { sneaked: "in" } },
    spec: { finalizers: [] },
  });
  assert.equal(finalized.code, 200);
  assert.equal((await server.get(`${namespaces}/n`)).code, 404);
});

Deno.test("/finalize changes the finalizers of an Active namespace and nothing else", async () => {
  await using server = await start();
  const made = await server.post(namespaces, { metadata: { name: "n" } });
  const done = await server.put(`${namespaces}/n/finalize`, {
    ...made.body,
    metadata: { ...made.body.metadata, labels: { sneaked: "in" } },
    spec: { finalizers: [] },
  });
  assert.equal(done.code, 200);
  assert.deepEqual(done.body.spec, {});
  assert.equal(done.body.metadata.labels.sneaked, undefined);
  assert.equal((await server.get(`${namespaces}/n`)).body.status.phase, "Active");
  const deleted = await server.delete(`${namespaces}/n`);
  assert.equal(deleted.body.status, "Success");
});

Deno.test("default, kube-system and kube-public may not be deleted", async () => {
  await using server = await start();
  for (const name of ["default", "kube-system", "kube-public"]) {
    const answer = await server.delete(`${namespaces}/${name}`);
    assert.equal(answer.code, 403);
    assert.equal(answer.body.message, `namespaces "${name}" is forbidden: this namespace may not be deleted`);
  }
});

Deno.test("no object outlives its namespace: a create that runs against its end is 404", async () => {
  await using one = await start({ seed: 1 });
  await using two = await start({ seed: 2, store: one.store, time: one.time });
  const made = await one.post(namespaces, { metadata: { name: "n" } });
  await one.put(`${namespaces}/n/finalize`, { ...made.body, spec: { finalizers: [] } });
  const [gone, late] = await Promise.all([
    one.delete(`${namespaces}/n`),
    two.post(`${namespaces}/n/configmaps`, { metadata: { name: "a" } }),
  ]);
  assert.equal(gone.code, 200);
  if (late.code === 201) assert.equal((await two.get(`${namespaces}/n/configmaps/a`)).code, 200);
  const later = await two.post(`${namespaces}/n/configmaps`, { metadata: { name: "b" } });
  assert.equal(later.code, 404);
});

Deno.test("watches of namespaces see the phases", async () => {
  await using server = await start();
  const rv = (await server.get(namespaces)).body.metadata.resourceVersion;
  const watch = await server.watch(`${namespaces}?watch=1&resourceVersion=${rv}`);
  await server.post(namespaces, { metadata: { name: "n" } });
  const marked = await server.delete(`${namespaces}/n`);
  await server.put(`${namespaces}/n/finalize`, { ...marked.body, spec: { finalizers: [] } });
  assert.deepEqual(await watch.names(3), ["ADDED n", "MODIFIED n", "DELETED n"]);
  await watch.cancel();
});
