import assert from "node:assert/strict";
import type { HttpClient, WebSocketChannel } from "../../platform/mod.ts";
import { settle, start, type TestServer } from "../testing.ts";

const pods = "/api/v1/namespaces/default/pods";
const deployments = "/apis/apps/v1/namespaces/default/deployments";

async function makePod(server: TestServer, name: string, spec: Record<string, unknown> = {}) {
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  const made = await server.post(pods, {
    metadata: { name },
    spec: { containers: [{ name: "c", image: "i" }, { name: "d", image: "i" }], ...spec },
  });
  assert.equal(made.code, 201);
  return made.body;
}

async function makeNode(server: TestServer, name: string) {
  await server.post("/api/v1/nodes", { metadata: { name } });
  const status = {
    addresses: [{ type: "Hostname", address: name }, { type: "InternalIP", address: "127.0.1.7" }],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
  };
  assert.equal((await server.patch(`/api/v1/nodes/${name}/status`, { status })).code, 200);
}

Deno.test("binding sets spec.nodeName once, with the PodScheduled condition", async () => {
  await using server = await start();
  const pod = await makePod(server, "p");
  const binding = (node: string, uid?: string) => ({
    apiVersion: "v1",
    kind: "Binding",
    metadata: { name: "p", ...(uid === undefined ? {} : { uid }) },
    target: { apiVersion: "v1", kind: "Node", name: node },
  });
  const wrong = await server.post(`${pods}/p/binding`, binding("n1", "other"));
  assert.equal(wrong.code, 409);
  const done = await server.post(`${pods}/p/binding`, binding("n1", pod.metadata.uid));
  assert.equal(done.code, 201);
  assert.equal(done.body.status, "Success");
  const bound = await server.get(`${pods}/p`);
  assert.equal(bound.body.spec.nodeName, "n1");
  const scheduled = bound.body.status.conditions.find((it: { type: string }) => it.type === "PodScheduled");
  assert.equal(scheduled.status, "True");
  assert.equal(scheduled.lastTransitionTime, "2026-01-01T00:00:00Z");
  const again = await server.post(`${pods}/p/binding`, binding("n2"));
  assert.equal(again.code, 409);
  assert.equal(
    again.body.message,
    'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
  );
  assert.equal((await server.post(`${pods}/nope/binding`, binding("n1"))).code, 404);
  assert.equal((await server.post(`${pods}/p/binding`, { metadata: { name: "p" }, target: {} })).code, 422);
});

Deno.test("two schedulers that bind one pod at once: one wins, the other hears 409", async () => {
  await using one = await start({ seed: 1 });
  await using two = await start({ seed: 2, store: one.store, time: one.time });
  await makePod(one, "p");
  const bind = (server: TestServer, node: string) =>
    server.post(`${pods}/p/binding`, { metadata: { name: "p" }, target: { kind: "Node", name: node } });
  const codes = (await Promise.all([bind(one, "n1"), bind(two, "n2")])).map((it) => it.code);
  assert.deepEqual(codes.toSorted(), [201, 409]);
  assert.equal((await two.get(`${pods}/p`)).body.spec.nodeName, codes[0] === 201 ? "n1" : "n2");
});

Deno.test("scale is read, put and patched through autoscaling/v1", async () => {
  await using server = await start();
  await server.post(deployments, {
    metadata: { name: "d" },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "d" }, matchExpressions: [{ key: "t", operator: "Exists" }] },
      template: {
        metadata: { labels: { app: "d", t: "" } },
        spec: { containers: [{ name: "c", image: "i" }] },
      },
    },
  });
  const scale = await server.get(`${deployments}/d/scale`);
  assert.equal(scale.body.kind, "Scale");
  assert.equal(scale.body.apiVersion, "autoscaling/v1");
  assert.deepEqual(scale.body.spec, { replicas: 2 });
  assert.deepEqual(scale.body.status, { replicas: 0, selector: "app=d,t" });
  const put = await server.put(`${deployments}/d/scale`, { ...scale.body, spec: { replicas: 5 } });
  assert.equal(put.body.spec.replicas, 5);
  const stale = await server.put(`${deployments}/d/scale`, { ...scale.body, spec: { replicas: 6 } });
  assert.equal(stale.code, 409);
  const patched = await server.patch(`${deployments}/d/scale`, { spec: { replicas: 0 } });
  assert.equal(patched.body.spec.replicas, 0);
  const deployment = await server.get(`${deployments}/d`);
  assert.equal(deployment.body.spec.replicas, 0);
  assert.equal(deployment.body.metadata.generation, 3);
  const negative = await server.patch(`${deployments}/d/scale`, { spec: { replicas: -1 } });
  assert.equal(negative.code, 422);
  assert.match(negative.body.message, /^Scale\.autoscaling "d" is invalid: spec\.replicas: Invalid value: -1/);
  assert.equal((await server.get(`${deployments}/nope/scale`)).code, 404);
});

interface Asked {
  url: string;
}

function kubeletAnswering(answer: () => Response, asked: Asked[]): HttpClient {
  return {
    fetch: (url) => {
      asked.push({ url });
      return Promise.resolve(answer());
    },
    webSocket: () => Promise.reject(new Error("no")),
    close() {},
  };
}

Deno.test("log is the kubelet's text, with the options passed on", async () => {
  const asked: Asked[] = [];
  await using server = await start({ kubelets: kubeletAnswering(() => new Response("one\ntwo\n"), asked) });
  await makeNode(server, "n1");
  await makePod(server, "p", { nodeName: "n1" });
  const answer = await server.get(`${pods}/p/log?container=c&tailLines=5&timestamps=true&previous=false`);
  assert.equal(answer.code, 200);
  assert.equal(answer.headers.get("content-type"), "text/plain");
  assert.equal(answer.body, "one\ntwo\n");
  assert.equal(asked[0]?.url, "https://127.0.1.7:10250/containerLogs/default/p/c?timestamps=true&tailLines=5");
});

Deno.test("log asks which container, refuses unknown ones, and is empty for a pod without a node", async () => {
  const asked: Asked[] = [];
  await using server = await start({
    kubelets: kubeletAnswering(() => new Response("no such container", { status: 400 }), asked),
  });
  await makeNode(server, "n1");
  await makePod(server, "p", { nodeName: "n1", initContainers: [{ name: "i", image: "i" }] });
  const which = await server.get(`${pods}/p/log`);
  assert.equal(which.code, 400);
  assert.equal(
    which.body.message,
    "a container name must be specified for pod p, choose one of: [c d] or one of the init containers: [i]",
  );
  const unknown = await server.get(`${pods}/p/log?container=x`);
  assert.equal(unknown.body.message, "container x is not valid for pod p");
  const refused = await server.get(`${pods}/p/log?container=c`);
  assert.equal(refused.code, 400);
  assert.equal(refused.body.message, "no such container");
  await makePod(server, "q", { containers: [{ name: "only", image: "i" }] });
  assert.equal((await server.raw("GET", `${pods}/q/log`)).status, 204);
  assert.equal((await server.get(`${pods}/nope/log`)).code, 404);
  const negative = await server.get(`${pods}/p/log?container=c&tailLines=-1`);
  assert.equal(negative.code, 422);
  assert.equal(
    negative.body.message,
    'PodLogOptions "" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
  );
});

Deno.test("a followed log streams, and hanging up reaches the kubelet", async () => {
  let cancelled = false;
  let controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (it) => void (controller = it),
    cancel: () => void (cancelled = true),
  });
  await using server = await start({ kubelets: kubeletAnswering(() => new Response(body), []) });
  await makeNode(server, "n1");
  await makePod(server, "p", { nodeName: "n1" });
  const response = await server.raw("GET", `${pods}/p/log?container=c&follow=true`);
  const reader = response.body?.getReader();
  controller?.enqueue(new TextEncoder().encode("hello\n"));
  const { value } = await reader?.read() ?? {};
  assert.equal(new TextDecoder().decode(value), "hello\n");
  await reader?.cancel();
  assert.equal(cancelled, true);
});

class FakeChannel implements WebSocketChannel {
  readonly protocol = "v5.channel.k8s.io";
  onMessage: (data: Uint8Array | string) => void = () => {};
  onClose: (code: number, reason: string) => void = () => {};
  readonly sent: (Uint8Array | string)[] = [];
  closed: number | undefined | null = null;
  bufferedBytes = 0;
  send(data: Uint8Array | string): void {
    this.sent.push(data);
  }
  close(code?: number): void {
    this.closed ??= code;
  }
}

function execHeaders(protocols: string) {
  return { connection: "Upgrade", upgrade: "websocket", "sec-websocket-protocol": protocols };
}

Deno.test("exec joins the client's channel and the kubelet's, both ways, until one closes", async () => {
  const client = new FakeChannel();
  const kubelet = new FakeChannel();
  const dialled: string[] = [];
  await using server = await start({
    kubelets: {
      fetch: () => Promise.reject(new Error("no")),
      webSocket: (url, options) => {
        dialled.push(`${url} ${options.protocols.join()}`);
        return Promise.resolve(kubelet);
      },
      close() {},
    },
  });
  await makeNode(server, "n1");
  await makePod(server, "p", { nodeName: "n1" });
  const agreed: string[] = [];
  const response = await server.raw(
    "GET",
    `${pods}/p/exec?container=c&command=sh&command=-c&command=ls&stdin=1&stdout=1`,
    {
      headers: execHeaders("v5.channel.k8s.io"),
      upgrade: (_request, protocol) => {
        agreed.push(protocol);
        return { response: new Response(null, { status: 299 }), channel: client };
      },
    },
  );
  assert.equal(response.status, 299);
  assert.deepEqual(agreed, ["v5.channel.k8s.io"]);
  assert.deepEqual(dialled, [
    "wss://127.0.1.7:10250/exec/default/p/c?command=sh&command=-c&command=ls&stdin=true&stdout=true v5.channel.k8s.io",
  ]);
  client.onMessage(new Uint8Array([0, 97]));
  kubelet.onMessage(new Uint8Array([1, 98]));
  assert.deepEqual(kubelet.sent, [new Uint8Array([0, 97])]);
  assert.deepEqual(client.sent, [new Uint8Array([1, 98])]);
  kubelet.onClose(1000, "");
  assert.equal(client.closed, 1000);
  client.onMessage(new Uint8Array([0, 99]));
  assert.equal(kubelet.sent.length, 1);
});

Deno.test("a side that does not read ends the session", async () => {
  const client = new FakeChannel();
  const kubelet = new FakeChannel();
  await using server = await start({
    kubelets: { fetch: () => Promise.reject(new Error("no")), webSocket: () => Promise.resolve(kubelet), close() {} },
  });
  await makeNode(server, "n1");
  await makePod(server, "p", { nodeName: "n1" });
  await server.raw("GET", `${pods}/p/attach?container=c&stdout=1`, {
    headers: execHeaders("v4.channel.k8s.io"),
    upgrade: () => ({ response: new Response(null, { status: 299 }), channel: client }),
  });
  client.bufferedBytes = 1e9;
  kubelet.onMessage(new Uint8Array([1]));
  assert.equal(client.closed, 1011);
  assert.equal(kubelet.closed, 1011);
});

Deno.test("what is wrong with an exec is a Status before any upgrade", async () => {
  await using server = await start({
    kubelets: {
      fetch: () => Promise.reject(new Error("no")),
      webSocket: () => Promise.reject(new Error("connection refused")),
      close() {},
    },
  });
  await makeNode(server, "n1");
  await makePod(server, "p", { nodeName: "n1" });
  await makePod(server, "q");
  const exec = (path: string, headers: Record<string, string>) =>
    server.raw("GET", path, { headers }).then(async (it) => [it.status, (await it.json()).message]);
  const v5 = execHeaders("v5.channel.k8s.io, v4.channel.k8s.io");
  const good = `${pods}/p/exec?container=c&command=ls&stdout=1`;
  assert.deepEqual(await exec(good, {}), [400, "Upgrade request required"]);
  const [code, message] = await exec(good, execHeaders("v1.other"));
  assert.equal(code, 400);
  assert.match(String(message), /^unable to negotiate a sub-protocol: client offers \[v1\.other\]/);
  assert.deepEqual(await exec(good.replace("container=c", "container=x"), v5), [
    400,
    "container x is not valid for pod p",
  ]);
  assert.deepEqual(await exec(`${pods}/p/exec?container=c&stdout=1`, v5), [
    400,
    "you must specify at least one command for the container",
  ]);
  assert.deepEqual(await exec(`${pods}/p/exec?container=c&command=ls`, v5), [
    400,
    "you must specify at least one of stdin, stdout, stderr",
  ]);
  assert.deepEqual(await exec(`${pods}/q/exec?container=c&command=ls&stdout=1`, v5), [
    400,
    "pod q does not have a host assigned",
  ]);
  assert.deepEqual(await exec(`${pods}/nope/exec?command=ls&stdout=1`, v5), [404, 'pods "nope" not found']);
  assert.deepEqual(await exec(good, v5), [500, "Internal error occurred: connection refused"]);
});

Deno.test("who may not exec hears why in the answer to the upgrade: kubectl reads it when it asks again by SPDY", async () => {
  await using server = await start();
  await makePod(server, "p");
  const path = `${pods}/p/exec?container=c&command=ls&stdout=1`;
  const as = { commonName: "jane", organizations: [] };
  const may = (verb: string) =>
    `pods "p" is forbidden: User "jane" cannot ${verb} resource "pods/exec" in API group "" in the namespace "default"`;
  const plain = await server.raw("GET", path, { as, headers: execHeaders("v5.channel.k8s.io") });
  assert.deepEqual([plain.status, (await plain.json()).message], [403, may("get")]);
  const spdy = await server.raw("POST", path, { as, headers: { connection: "Upgrade", upgrade: "SPDY/3.1" } });
  assert.deepEqual([spdy.status, (await spdy.json()).message], [403, may("create")]);
});

Deno.test("a kubelet that does not answer an exec is given up on, and hung up on when it does", async () => {
  const kubelet = new FakeChannel();
  let answer: (channel: WebSocketChannel) => void = () => {};
  await using server = await start({
    kubelets: {
      fetch: () => Promise.reject(new Error("no")),
      webSocket: () => new Promise((resolve) => answer = resolve),
      close() {},
    },
  });
  await makeNode(server, "n1");
  await makePod(server, "p", { nodeName: "n1" });
  const pending = server.raw("GET", `${pods}/p/exec?container=c&command=ls&stdout=1`, {
    headers: execHeaders("v4.channel.k8s.io"),
  });
  await server.time.advance(30_000);
  const response = await pending;
  assert.equal(response.status, 500);
  assert.match((await response.json()).message, /the kubelet did not answer in time/);
  answer(kubelet);
  await settle();
  assert.equal(kubelet.closed, undefined);
});
