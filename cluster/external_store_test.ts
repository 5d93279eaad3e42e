import assert from "node:assert/strict";
import { readExternalStore } from "./external_store.ts";

const plain = { caFile: undefined, certFile: undefined, keyFile: undefined };

Deno.test("readExternalStore() takes members after commas, and TLS files by their content", async () => {
  const bare = await readExternalStore({ ...plain, url: "etcd://10.0.0.1:2379,b.example:2379" });
  assert.deepEqual(bare.store, {
    endpoints: ["tcp:10.0.0.1:2379", "tcp:b.example:2379"],
    tls: false,
    clientCertificate: false,
  });
  assert.deepEqual(bare.files, []);
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "PEM");
  const secure = await readExternalStore({ url: "etcd://a:1", caFile: file, certFile: file, keyFile: file });
  assert.deepEqual([secure.store.tls, secure.store.clientCertificate], [true, true]);
  assert.deepEqual(secure.files.map(([name, text]) => [name, text]), [
    ["external-etcd-ca.crt", "PEM"],
    ["external-etcd.crt", "PEM"],
    ["external-etcd.key", "PEM"],
  ]);
  await Deno.remove(file);
});

Deno.test("readExternalStore() says what is wrong with the flags", async () => {
  for (const url of ["http://a:1", "etcd://", "etcd://a", "etcd://a:1,", "etcd://a:1/x"]) {
    await assert.rejects(readExternalStore({ ...plain, url }), /must be etcd:\/\/host:port/, url);
  }
  const url = "etcd://a:1";
  await assert.rejects(readExternalStore({ ...plain, url, certFile: "x" }), /--store-cert and --store-key go together/);
  await assert.rejects(readExternalStore({ ...plain, url, certFile: "x", keyFile: "y" }), /needs --store-cacert/);
  await assert.rejects(readExternalStore({ ...plain, url, caFile: "/nonexistent" }), /Cannot read \/nonexistent/);
});
