import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { ciphers } from "../../platform/deno/ciphers.ts";
import { createLocalStore, type LocalStore } from "../../store/mod.ts";
import { EncryptionConfigError, parseEncryptionConfiguration } from "../encryption/configuration.ts";
import { transformerOf } from "../encryption/transform.ts";
import { start, testRandom, VirtualTime } from "../testing.ts";

const secrets = "/api/v1/namespaces/default/secrets";
const path = "/registry/secrets/default/s";

function configuration(providers: unknown[], resources = ["secrets"]) {
  const apiVersion = "apiserver.config.k8s.io/v1";
  return parseEncryptionConfiguration({
    apiVersion,
    kind: "EncryptionConfiguration",
    resources: [{ resources, providers }],
  });
}

const key = (name: string, byte: number) => ({
  name,
  secret: btoa(String.fromCharCode(...new Uint8Array(32).fill(byte))),
});
const kinds = ["aesgcm", "aescbc", "secretbox"] as const;

async function withStore(test: (store: LocalStore, time: VirtualTime) => Promise<void>): Promise<void> {
  const time = new VirtualTime();
  const store = createLocalStore({ clock: time, timers: time, random: testRandom(7) });
  try {
    await test(store, time);
  } finally {
    store.close();
  }
}

async function raw(store: LocalStore, at = path): Promise<string> {
  const found = (await store.range({ key: utf8(at) })).kvs[0];
  return found === undefined ? "" : Array.from(found.value, (byte) => String.fromCharCode(byte)).join("");
}

for (const kind of kinds) {
  Deno.test(`a Secret lies in the store by ${kind} without a word of plain text, and is served, listed and watched as ever`, () =>
    withStore(async (store, time) => {
      const encryption = configuration([{ [kind]: { keys: [key("k1", 1)] } }, { identity: {} }]);
      await using server = await start({ store, time, config: { encryption }, ciphers });
      const watch = await server.watch(`${secrets}?watch=1&resourceVersion=1`);
      const body = { metadata: { name: "s" }, stringData: { password: "correct horse" } };
      assert.equal((await server.post(secrets, body)).code, 201);
      const stored = await raw(store);
      assert.ok(stored.startsWith(`k8s:enc:${kind}:v1:k1:`), stored.slice(0, 40));
      for (const word of ["password", btoa("correct horse"), "Secret", "metadata"]) {
        assert.ok(!stored.includes(word), word);
      }
      const value = { password: btoa("correct horse") };
      assert.deepEqual((await server.get(`${secrets}/s`)).body.data, value);
      assert.deepEqual((await server.get(secrets)).body.items[0].data, value);
      assert.deepEqual((await watch.next()).object.data, value);
      await watch.cancel();
      // Nothing else is touched.
      await server.post("/api/v1/namespaces/default/configmaps", { metadata: { name: "c" }, data: { a: "plain" } });
      assert.match(await raw(store, "/registry/configmaps/default/c"), /plain/);
      // Written, changed, deleted through the same conditional writes.
      assert.equal((await server.patch(`${secrets}/s`, { stringData: { user: "me" } })).code, 200);
      assert.equal((await server.delete(`${secrets}/s`)).code, 200);
      assert.equal(await raw(store), "");
    }));
}

Deno.test("a new first key writes, the old one still reads; a write that changes nothing brings a value up to date", () =>
  withStore(async (store, time) => {
    const run = async (providers: unknown[], test: (server: Awaited<ReturnType<typeof start>>) => Promise<void>) => {
      await using server = await start({ store, time, config: { encryption: configuration(providers) }, ciphers });
      await test(server);
    };
    const body = { metadata: { name: "s" }, data: { a: btoa("b") } };
    const rewrite = async (server: Awaited<ReturnType<typeof start>>) => {
      const { body } = await server.get(`${secrets}/s`);
      const { code, body: after } = await server.put(`${secrets}/s`, body);
      assert.equal(code, 200);
      return [body.metadata.resourceVersion, after.metadata.resourceVersion];
    };
    {
      await using plain = await start({ store, time });
      await plain.post(secrets, body);
      const [before, after] = await rewrite(plain);
      assert.equal(before, after);
    }
    assert.match(await raw(store), /^\{"kind":"Secret"/);
    const [one, two] = [{ aesgcm: { keys: [key("k1", 1)] } }, { aesgcm: { keys: [key("k2", 2), key("k1", 1)] } }];
    await run([one, { identity: {} }], async (server) => {
      await rewrite(server);
      assert.match(await raw(store), /^k8s:enc:aesgcm:v1:k1:/);
      const [before, after] = await rewrite(server);
      assert.equal(before, after, "what is up to date is not written again");
    });
    await run([two], async (server) => {
      assert.deepEqual((await server.get(`${secrets}/s`)).body.data, body.data);
      await rewrite(server);
      assert.match(await raw(store), /^k8s:enc:aesgcm:v1:k2:/);
    });
    // The old key can go now; the new one cannot, and what it wrote is not passed off as something else.
    await run([{ aesgcm: { keys: [key("k2", 2)] } }], async (server) => {
      assert.equal((await server.get(`${secrets}/s`)).code, 200);
    });
    await run([one], async (server) => {
      const { code, body } = await server.get(`${secrets}/s`);
      assert.equal(code, 500);
      assert.equal(
        body.message,
        `Internal error occurred: unable to transform key "${path}": no matching prefix found`,
      );
      assert.deepEqual((await server.get(secrets)).body.items, []);
    });
    // Back to plain text: identity first.
    await run([{ identity: {} }, two], async (server) => {
      await rewrite(server);
      assert.match(await raw(store), /^\{"kind":"Secret"/);
    });
  }));

Deno.test("a value that was moved under another key does not open", () => {
  for (const kind of ["aesgcm"] as const) {
    const [rule] = configuration([{ [kind]: { keys: [key("k1", 1)] } }]);
    const by = transformerOf(rule?.providers ?? [], { ciphers, random: testRandom(1) });
    const sealed = by.seal(utf8("secret"), utf8("/registry/secrets/a/x"));
    assert.equal(fromUtf8(by.open(sealed, utf8("/registry/secrets/a/x")).plain), "secret");
    assert.throws(() => by.open(sealed, utf8("/registry/secrets/b/x")));
    const flipped = sealed.slice();
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] as number) ^ 1;
    assert.throws(() => by.open(flipped, utf8("/registry/secrets/a/x")));
  }
});

Deno.test("resources are named with their group or by *., *.GROUP and *.*; custom resources too", () =>
  withStore(async (store, time) => {
    const encryption = configuration([{ aesgcm: { keys: [key("k1", 1)] } }], [
      "*.",
      "deployments.apps",
      "*.example.com",
    ]);
    await using server = await start({ store, time, config: { encryption }, ciphers });
    await server.post("/api/v1/namespaces/default/configmaps", { metadata: { name: "c" }, data: { a: "plain" } });
    assert.match(await raw(store, "/registry/configmaps/default/c"), /^k8s:enc:aesgcm/);
    const account = "/registry/clusterroles/admin";
    assert.match(await raw(store, account), /^\{/, "a group that is not named");
    const schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    await server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
      metadata: { name: "pandas.example.com" },
      spec: {
        group: "example.com",
        scope: "Namespaced",
        names: { plural: "pandas", kind: "Panda" },
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      },
    });
    const pandas = "/apis/example.com/v1/namespaces/default/pandas";
    let code = 0;
    for (let turn = 0; turn < 200 && code !== 201; turn++) {
      await time.advance(10);
      code = (await server.post(pandas, { apiVersion: "example.com/v1", kind: "Panda", metadata: { name: "p" } })).code;
    }
    assert.equal(code, 201);
    assert.match(await raw(store, "/registry/example.com/pandas/default/p"), /^k8s:enc:aesgcm/);
    assert.equal((await server.get(`${pandas}/p`)).body.kind, "Panda");
  }));

Deno.test("a configuration that would not encrypt what it seems to is refused", () => {
  const refused: [unknown[], RegExp, string[]?][] = [
    [[{ aesgcm: { keys: [{ name: "k", secret: btoa("short") }] } }], /not of the expected length, got 5/],
    [[{ aesgcm: { keys: [{ name: "a:b", secret: key("", 1).secret }] } }], /name: Invalid value: "a:b"/],
    [[{ kms: {} }], /the provider "kms" is not known here/],
    [[{ identity: {}, aesgcm: {} }], /exactly one provider/],
    [[], /providers: Required value/],
    [[{ identity: {} }], /use '\*\.'/, ["*"]],
    [[{ identity: {} }], /Duplicate value: "secrets"/, ["secrets", "secrets"]],
  ];
  for (const [providers, text, resources] of refused) {
    assert.throws(
      () => configuration(providers, resources),
      (error) => error instanceof EncryptionConfigError && text.test(error.message),
    );
  }
  assert.throws(() => parseEncryptionConfiguration({ kind: "Pod" }), /no EncryptionConfiguration/);
});
