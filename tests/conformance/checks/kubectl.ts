/** The real kubectl: what it prints, and what it makes of the schemas of custom resources. */
import assert from "node:assert/strict";
import type { Api, Kubectl, KubectlOutcome, Loose } from "../api.ts";
import { define, type Definition, definitions, everywhere, undefine, type Version, versionOf } from "../definitions.ts";
import type { Check } from "../helpers.ts";
import { good, infoOf, merge, sample } from "../lifecycle.ts";

function succeeded({ code, stdout, stderr }: KubectlOutcome, what: string): string {
  assert.equal(code, 0, `${what}: ${stderr}${stdout}`);
  return stdout;
}

function failed(outcome: KubectlOutcome, words: RegExp): void {
  assert.notEqual(outcome.code, 0, outcome.stdout);
  assert.match(outcome.stderr + outcome.stdout, words);
}

/** Over the proxy that kubectl runs. */
async function throughProxy(
  kubectl: Kubectl,
  args: readonly string[],
  ask: (line: string) => Promise<string>,
): Promise<void> {
  const proxy = await kubectl.start(["proxy", ...args]);
  try {
    assert.match(await ask(proxy.line), /"APIVersions"/);
  } finally {
    await proxy.stop();
  }
}

/** GET of /api/ over a unix socket. */
async function overSocket(path: string): Promise<string> {
  const connection = await Deno.connect({ transport: "unix", path });
  const request = "GET /api/ HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n";
  await connection.write(new TextEncoder().encode(request));
  return await new Response(connection.readable).text();
}

const string = (description: string) => ({ type: "string", description });

const fooSchema = {
  description: "Foo CRD for Testing",
  type: "object",
  properties: {
    spec: {
      type: "object",
      description: "Specification of Foo",
      properties: {
        bars: {
          description: "List of Bars and their specs.",
          type: "array",
          items: {
            type: "object",
            required: ["name"],
            properties: {
              name: string("Name of Bar."),
              age: string("Age of Bar."),
              feeling: { type: "string", description: "Feeling of Bar.", enum: ["Great", "Down"] },
              bazs: { description: "List of Bazs.", type: "array", items: { type: "string" } },
            },
          },
        },
      },
    },
    status: {
      type: "object",
      description: "Status of Foo",
      properties: { bars: { type: "array", items: { type: "object" } } },
    },
  },
};

const preserving = { "x-kubernetes-preserve-unknown-fields": true };
const waldoSchema = {
  description: "preserve-unknown-properties in nested field for Testing",
  type: "object",
  properties: {
    spec: {
      description: "Specification of Waldo",
      type: "object",
      ...preserving,
      properties: { dummy: { type: "object" } },
    },
    status: {
      description: "Status of Waldo",
      type: "object",
      properties: { bars: { type: "array", items: { type: "object" } } },
    },
  },
};

/** What `com.example.conformance.v1.Foo` has in the published document; undefined for nothing. */
async function published(api: Api, { group, kind }: Definition, version: string): Promise<Loose> {
  const document = good(await api.call("GET", "/openapi/v2"), 200, "/openapi/v2");
  return document.definitions[`${group.split(".").reverse().join(".")}.${version}.${kind}`];
}

async function waitPublished(api: Api, definition: Definition, version: string, description?: string): Promise<void> {
  const { group, kind } = definition;
  // The document of one group is small; that of everything is asked for once.
  await everywhere(`${kind} ${version} is published`, async () => {
    const { code, body } = await api.call("GET", `/openapi/v3/apis/${group}/${version}`);
    const schema = code === 200
      ? body.components?.schemas?.[`${group.split(".").reverse().join(".")}.${version}.${kind}`]
      : undefined;
    return schema !== undefined && (description === undefined || schema.description === description);
  });
  const schema = await published(api, definition, version);
  assert.ok(schema !== undefined, `${kind} ${version} in /openapi/v2`);
  if (description !== undefined) assert.equal(schema.description, description);
}

async function waitUnpublished(api: Api, definition: Definition, version: string): Promise<void> {
  await everywhere(
    `${definition.kind} ${version} is published no more`,
    async () => (await api.call("GET", `/openapi/v3/apis/${definition.group}/${version}`)).code === 404,
  );
  assert.equal(await published(api, definition, version), undefined);
}

async function explained(kubectl: Kubectl, path: string, patterns: readonly RegExp[], version = ""): Promise<void> {
  const flags = version === "" ? [] : ["--api-version", version];
  const text = succeeded(await kubectl.run(["explain", path, ...flags]), `explain ${path}`);
  for (const pattern of patterns) assert.match(text, pattern);
}

interface Written {
  readonly kubectl: Kubectl;
  readonly namespace: string;
  readonly definition: Definition;
}

/** kubectl create, apply and delete of an object; what it refuses is told by `failed`. */
function commands({ kubectl, namespace, definition }: Written) {
  const text = (name: string, more: Loose) =>
    JSON.stringify({ apiVersion: `${definition.group}/v1`, kind: definition.kind, metadata: { name }, ...more });
  const run = (verb: string, name: string, more: Loose) =>
    kubectl.run(["--namespace", namespace, verb, "--validate=true", "-f", "-"], text(name, more));
  return {
    run,
    async accepts(name: string, more: Loose) {
      const named = [definition.name, name];
      for (const verb of ["create", "apply"]) {
        succeeded(await run(verb, name, more), verb);
        succeeded(await kubectl.run(["--namespace", namespace, "delete", ...named]), "delete");
      }
    },
  };
}

const unknownField = /unknown field|field not declared in schema|error validating/;

/** An object of one version of two, both published. */
async function twoVersions(
  api: Api,
  namespace: string,
  stem: string,
  names: readonly [string, string],
): Promise<Definition> {
  const versions: Version[] = names.map((name, at) => ({ name, storage: at === 0, schema: fooSchema }));
  const definition = await define(api, `${namespace}.example.com`, stem, versions);
  for (const name of names) await waitPublished(api, definition, name, fooSchema.description);
  return definition;
}

async function setVersions(api: Api, { name }: Definition, versions: readonly Version[]): Promise<void> {
  const patch = { spec: { versions: versions.map(versionOf) } };
  good(await api.call("PATCH", `${definitions}/${name}`, patch, merge), 200, "change the versions");
}

export const kubectlChecks: Readonly<Record<string, Check>> = {
  async "kubectl api-versions"(_api, _namespace, { kubectl }) {
    const lines = succeeded(await kubectl.run(["api-versions"]), "api-versions").split("\n");
    assert.ok(lines.includes("v1"));
  },
  async "kubectl cluster-info"(_api, _namespace, { kubectl }) {
    const text = succeeded(await kubectl.run(["cluster-info"]), "cluster-info");
    assert.match(text, /Kubernetes control plane/);
    assert.match(text, /is running at/);
  },
  async "kubectl version"(_api, _namespace, { kubectl }) {
    const text = succeeded(await kubectl.run(["version"]), "version");
    for (const words of ["Client Version: ", "Server Version: "]) assert.ok(text.includes(words), text);
  },
  async "kubectl diff"(_api, namespace, { kubectl }) {
    const object = sample(infoOf("deployments"), "httpd-deployment", namespace);
    const image = (it: string) => {
      object.spec.template.spec.containers[0].image = it;
      return JSON.stringify(object);
    };
    const args = ["--namespace", namespace];
    succeeded(await kubectl.run([...args, "create", "-f", "-"], image("example.com/old:1")), "create");
    const { code, stdout } = await kubectl.run([...args, "diff", "-f", "-"], image("example.com/new:2"));
    assert.equal(code, 1, "there is a difference");
    assert.match(stdout, /^-\s+- image: example\.com\/old:1$/m);
    assert.match(stdout, /^\+\s+- image: example\.com\/new:2$/m);
  },
  async "kubectl proxy"(_api, _namespace, { kubectl }) {
    await throughProxy(kubectl, ["--port", "0", "--disable-filter"], async (line) => {
      const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      assert.ok(port !== undefined, line);
      return await (await fetch(`http://127.0.0.1:${port}/api/`)).text();
    });
  },
  async "kubectl proxy on a socket"(_api, _namespace, { kubectl }) {
    const directory = await Deno.makeTempDir({ prefix: "kubectl-proxy-" });
    const path = `${directory}/test`;
    try {
      await throughProxy(kubectl, [`--unix-socket=${path}`], (line) => {
        assert.ok(line.includes(path), line);
        return overSocket(path);
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
  async "published with a schema"(api, namespace, { kubectl }) {
    const version = { name: "v1", storage: true, schema: fooSchema };
    const definition = await define(api, `${namespace}.example.com`, "foo", [version]);
    await waitPublished(api, definition, "v1", fooSchema.description);
    const { run, accepts } = commands({ kubectl, namespace, definition });
    await accepts("test-cr", { spec: { bars: [{ name: "test-bar" }] } });
    await accepts("test-cr", { spec: { bars: [{ name: "test-bar", feeling: "Great", age: "1", bazs: ["a"] }] } });
    for (const verb of ["create", "apply"]) {
      failed(
        await run(verb, "bad", { spec: { bars: [{ name: "b", feeling: "NotGreat" }] } }),
        /Unsupported value: "NotGreat"/,
      );
      failed(await run(verb, "bad", { spec: { foo: true } }), unknownField);
      failed(await run(verb, "bad", { spec: { bars: [{ age: "10" }] } }), /missing required field|Required value/);
    }
    const foos = definition.name;
    await explained(kubectl, foos, [
      /DESCRIPTION:[\s\S]*Foo CRD for Testing[\s\S]*FIELDS:[\s\S]*apiVersion[\s\S]*<string>[\s\S]*spec[\s\S]*<Object>/,
    ]);
    await explained(kubectl, `${definition.plural}.spec`, [
      /DESCRIPTION:[\s\S]*Specification of Foo[\s\S]*FIELDS:[\s\S]*bars[\s\S]*<\[\]Object>/,
    ], `${definition.group}/v1`);
    await explained(kubectl, `${definition.plural}.spec.bars`, [
      /FIELD:\s+bars[\s\S]*<\[\]Object>[\s\S]*List of Bars and their specs[\s\S]*bazs[\s\S]*<\[\]string>[\s\S]*name[\s\S]*<string>/,
    ], `${definition.group}/v1`);
    const missing = ["explain", `${definition.plural}.spec.bars2`, "--api-version", `${definition.group}/v1`];
    failed(await kubectl.run(missing), /field "bars2" does not exist/);
    await undefine(api, definition);
    await waitUnpublished(api, definition, "v1");
  },
  async "published without a schema"(api, namespace, { kubectl }) {
    const definition = await define(api, `${namespace}.example.com`, "empty", [{ name: "v1", storage: true }]);
    await waitPublished(api, definition, "v1");
    const { accepts } = commands({ kubectl, namespace, definition });
    await accepts("test-cr", {});
    await accepts("test-cr", { a: { b: [{ c: "d" }] } });
    await explained(kubectl, definition.name, [/DESCRIPTION:\s+<empty>/]);
    await undefine(api, definition);
  },
  async "published preserving the root"(api, namespace, { kubectl }) {
    const schema = { type: "object", ...preserving };
    const definition = await define(api, `${namespace}.example.com`, "unknownroot", [{
      name: "v1",
      storage: true,
      schema,
    }]);
    await waitPublished(api, definition, "v1");
    await commands({ kubectl, namespace, definition }).accepts("test-cr", { a: { b: [{ c: "d" }] } });
    await explained(kubectl, definition.name, [/DESCRIPTION:\s+<empty>/]);
    await undefine(api, definition);
  },
  async "published preserving a field"(api, namespace, { kubectl }) {
    const version = { name: "v1", storage: true, schema: waldoSchema };
    const definition = await define(api, `${namespace}.example.com`, "waldo", [version]);
    await waitPublished(api, definition, "v1", waldoSchema.description);
    await commands({ kubectl, namespace, definition }).accepts("test-cr", { spec: { b: [{ c: "d" }] } });
    await explained(kubectl, definition.name, [
      /DESCRIPTION:[\s\S]*preserve-unknown-properties in nested field for\s+Testing/,
    ]);
    await undefine(api, definition);
  },
  async "published in several groups"(api, namespace) {
    const version = { name: "v1", storage: true };
    const foo = await define(api, `one.${namespace}.example.com`, "foo", [{ ...version, schema: fooSchema }]);
    const waldo = await define(api, `two.${namespace}.example.com`, "waldo", [{ ...version, schema: waldoSchema }]);
    await waitPublished(api, foo, "v1", fooSchema.description);
    await waitPublished(api, waldo, "v1", waldoSchema.description);
    for (const each of [foo, waldo]) await undefine(api, each);
  },
  async "published in several versions"(api, namespace) {
    await undefine(api, await twoVersions(api, namespace, "foo", ["v2", "v3"]));
    // As two definitions they are of one group all the same.
    const group = `more.${namespace}.example.com`;
    const foo = await define(api, group, "foo", [{ name: "v4", storage: true, schema: fooSchema }]);
    const waldo = await define(api, group, "waldo", [{ name: "v5", storage: true, schema: waldoSchema }]);
    await waitPublished(api, foo, "v4", fooSchema.description);
    await waitPublished(api, waldo, "v5", waldoSchema.description);
    for (const each of [foo, waldo]) await undefine(api, each);
  },
  async "published as several kinds"(api, namespace) {
    const group = `${namespace}.example.com`;
    const foo = await define(api, group, "foo", [{ name: "v6", storage: true, schema: fooSchema }]);
    const waldo = await define(api, group, "waldo", [{ name: "v6", storage: true, schema: waldoSchema }]);
    await waitPublished(api, foo, "v6", fooSchema.description);
    await waitPublished(api, waldo, "v6", waldoSchema.description);
    for (const each of [foo, waldo]) await undefine(api, each);
  },
  async "published under a new name"(api, namespace) {
    const definition = await twoVersions(api, namespace, "foo", ["v2", "v3"]);
    await setVersions(api, definition, [
      { name: "v2", storage: true, schema: fooSchema },
      { name: "v4", schema: fooSchema },
    ]);
    await waitPublished(api, definition, "v4", fooSchema.description);
    await waitUnpublished(api, definition, "v3");
    await waitPublished(api, definition, "v2", fooSchema.description);
    await undefine(api, definition);
  },
  async "published no more"(api, namespace) {
    const definition = await twoVersions(api, namespace, "foo", ["v5", "v6alpha1"]);
    await setVersions(api, definition, [
      { name: "v5", storage: true, schema: fooSchema },
      { name: "v6alpha1", served: false, schema: fooSchema },
    ]);
    await waitUnpublished(api, definition, "v6alpha1");
    await waitPublished(api, definition, "v5", fooSchema.description);
    await undefine(api, definition);
  },
};
