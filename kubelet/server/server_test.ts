import assert from "node:assert/strict";
import type { Pod } from "../../api/gen/types.ts";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import type { PeerIdentity, WebSocketChannel } from "../../platform/mod.ts";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import { containerConfig, sandboxConfig } from "../runtime/contract.ts";
import { ProcessRuntime } from "../runtime/process/runtime.ts";
import { createKubeletHandler } from "./server.ts";

const platform = createDenoPlatform({ component: "test", logLevel: "error" });
const apiserver: PeerIdentity = { commonName: "kube-apiserver", organizations: [] };

/** The other end of a WebSocket, in memory. */
class FakeClient {
  readonly received: Uint8Array[] = [];
  readonly closed = Promise.withResolvers<number>();
  readonly channel: WebSocketChannel;
  #onReceived: () => void = () => {};

  constructor() {
    this.channel = {
      protocol: "v5.channel.k8s.io",
      onMessage: () => {},
      onClose: () => {},
      bufferedBytes: 0,
      send: (data) => {
        this.received.push(typeof data === "string" ? utf8(data) : data);
        this.#onReceived();
      },
      close: (code = 1000) => {
        this.channel.onClose(code, "");
        this.closed.resolve(code);
      },
    };
  }

  send(channel: number, data: Uint8Array | string): void {
    this.channel.onMessage(concatBytes([Uint8Array.of(channel), typeof data === "string" ? utf8(data) : data]));
  }

  text(channel: number): string {
    return fromUtf8(concatBytes(this.received.filter((each) => each[0] === channel).map((each) => each.subarray(1))));
  }

  async until(channel: number, pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text(channel))) await new Promise<void>((resolve) => void (this.#onReceived = resolve));
  }
}

interface Setup {
  /** What somebody was asked to allow. */
  readonly asked: readonly string[];
  readonly ask: (
    path: string,
    peer?: PeerIdentity | null,
    headers?: Record<string, string>,
  ) => Promise<Response>;
  readonly open: (path: string) => Promise<FakeClient>;
  readonly runtime: ProcessRuntime;
  readonly id: string;
  readonly setStatus: (status: Pod["status"]) => void;
}

async function withPod(command: string[], body: (setup: Setup) => Promise<void>, stdin = false): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-server-" });
  const runtime = new ProcessRuntime({
    dataDirectory: directory,
    denoPath: Deno.execPath(),
    podCidr: "127.248.1.0/24",
    nodeAddress: "127.248.0.1",
    owner: directory,
  }, platform);
  await runtime.start();
  const sandbox = await runtime.runPodSandbox(sandboxConfig());
  const under = { image: "sauropod.dev/host:1", longCommand: command };
  const id = await runtime.createContainer(sandbox.id, containerConfig(under, { stdin }));
  await runtime.startContainer(id);
  let pod: Pod = {
    metadata: { name: "web", namespace: "default", uid: sandbox.podUid },
    spec: { containers: [{ name: "main" }, { name: "absent" }] },
  };
  const asked: string[] = [];
  const handler = createKubeletHandler({
    ...platform,
    streams: platform.network.streams,
    allowedPeers: ["kube-apiserver"],
    nodeName: "node-1",
    auth: {
      async check({ request, peer }, { resourceAttributes }, what) {
        asked.push(what);
        assert.deepEqual(resourceAttributes, {
          verb: "get",
          resource: "nodes",
          subresource: "metrics",
          name: "node-1",
        });
        if (request.headers.get("authorization") === "Bearer prometheus") return { allowed: true };
        return { allowed: false, status: peer === null ? 401 : 403, message: "no" };
      },
    },
    view: {
      find: (namespace, name) => namespace === "default" && name === "web" ? { pod, runtime } : undefined,
      list: () => [pod],
    },
  });
  const context = (peer: PeerIdentity | null, client?: FakeClient) => ({
    peer,
    remoteAddress: "127.0.0.1",
    upgradeWebSocket() {
      assert.ok(client !== undefined);
      return { response: new Response(null), channel: client.channel };
    },
  });
  try {
    await body({
      runtime,
      id,
      setStatus: (status) => void (pod = { ...pod, ...(status === undefined ? {} : { status }) }),
      asked,
      ask: async (path, peer = apiserver, headers = {}) =>
        await handler(new Request(`https://node${path}`, { headers }), context(peer)),
      async open(path) {
        const client = new FakeClient();
        const headers = { upgrade: "websocket", "sec-websocket-protocol": "v5.channel.k8s.io" };
        const response = await handler(new Request(`https://node${path}`, { headers }), context(apiserver, client));
        assert.equal(response.status, 200, await response.text());
        return client;
      },
    });
  } finally {
    await runtime.removePodSandbox(sandbox.id);
    await runtime.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

const sleep = ["sleep", "1000"];

Deno.test("the kubelet's server lets everyone ask for its health and only the apiserver for the rest", () =>
  withPod(sleep, async ({ ask }) => {
    assert.equal((await ask("/healthz", null)).status, 200);
    for (const path of ["/pods", "/metrics", "/containerLogs/default/web/main", "/exec/default/web/main"]) {
      assert.equal((await ask(path, null)).status, 401, path);
      assert.equal((await ask(path, { commonName: "system:node:other", organizations: [] })).status, 403, path);
    }
    assert.equal((await (await ask("/pods")).json()).items[0].metadata.name, "web");
    assert.equal((await ask("/run/default/web/main")).status, 404);
    assert.equal((await ask("/containerLogs/default/%E0%A4%A/main")).status, 404);
  }));

Deno.test("the kubelet's server gives its metrics to the apiserver, and to whoever may get nodes/metrics", () =>
  withPod(sleep, async ({ ask, asked }) => {
    assert.equal((await ask("/metrics")).status, 200);
    assert.deepEqual(asked, [], "the apiserver has asked on its own");
    const bearer = { authorization: "Bearer prometheus" };
    assert.equal((await ask("/metrics", null, bearer)).status, 200);
    assert.deepEqual(asked, ["get nodes/metrics node-1"]);
    assert.equal((await ask("/pods", null, bearer)).status, 401, "and for nothing else");
  }));

Deno.test("containerLogs chooses lines by tail, time, bytes, and dates them when asked", () =>
  withPod(["sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done"], async ({ ask }) => {
    const logs = async (query: string) => await (await ask(`/containerLogs/default/web/main?${query}`)).text();
    assert.equal(await logs("follow=true"), "line 1\nline 2\nline 3\nline 4\nline 5\n");
    assert.equal(await logs("tailLines=2"), "line 4\nline 5\n");
    assert.equal(await logs("tailLines=0"), "");
    assert.equal(await logs("tailLines=99&limitBytes=9"), "line 1\nli");
    assert.match(await logs("tailLines=1&timestamps=true"), /^\d{4}-\d\d-\d\dT\S+Z line 5\n$/);
    assert.equal(await logs("sinceTime=2100-01-01T00:00:00Z"), "");
    assert.equal(await logs("sinceSeconds=3600&tailLines=1"), "line 5\n");
    assert.equal((await ask("/containerLogs/default/web/main?tailLines=x")).status, 400);
    assert.equal((await ask("/containerLogs/default/web/none")).status, 404);
    assert.equal((await ask("/containerLogs/default/none/main")).status, 404);
    assert.match(await logs("previous=true"), /previous terminated container "main" in pod "web" not found/);
    const waiting = await ask("/containerLogs/default/web/absent");
    assert.equal(waiting.status, 400);
    assert.equal(await waiting.text(), 'container "absent" in pod "web" is waiting to start: ContainerCreating');
  }));

Deno.test("containerLogs?follow shows lines as they come and stops when the reader goes", () =>
  withPod([
    "sh",
    "-c",
    'echo first; while [ ! -e "$SAUROPOD_ROOT/go" ]; do sleep 0.01; done; echo second; exec sleep 1000',
  ], async (
    { ask, runtime, id },
  ) => {
    const body = (await ask("/containerLogs/default/web/main?follow=true&tailLines=10")).body;
    assert.ok(body !== null);
    const reader = body.getReader();
    let text = "";
    while (!text.includes("first\n")) text += fromUtf8((await reader.read()).value ?? new Uint8Array(0));
    const touch = await runtime.exec(id, { command: ["touch", "go"], stdin: false, tty: false });
    await Promise.all([touch.stdout.cancel(), touch.stderr.cancel(), touch.exitCode]);
    while (!text.includes("second\n")) text += fromUtf8((await reader.read()).value ?? new Uint8Array(0));
    assert.equal(text, "first\nsecond\n");
    await reader.cancel();
  }));

Deno.test("containerLogs?follow ends in order when its pod is removed", () =>
  withPod(["sh", "-c", "echo first; exec sleep 1000"], async ({ ask, runtime, id }) => {
    const body = (await ask("/containerLogs/default/web/main?follow=true")).body;
    assert.ok(body !== null);
    const reader = body.getReader();
    assert.equal(fromUtf8((await reader.read()).value ?? new Uint8Array(0)), "first\n");
    const container = (await runtime.listContainers()).find((each) => each.id === id);
    await runtime.removePodSandbox(container?.sandboxId ?? "");
    assert.equal((await reader.read()).done, true);
  }));

Deno.test("exec carries stdin, both outputs and the exit code", () =>
  withPod(sleep, async ({ open }) => {
    const command = ["sh", "-c", "cat; echo err >&2; exit 7"].map((word) => `command=${encodeURIComponent(word)}`);
    const client = await open(`/exec/default/web/main?stdin=true&stdout=true&stderr=true&${command.join("&")}`);
    client.send(0, "hello ");
    client.send(0, "there");
    client.send(255, Uint8Array.of(0));
    assert.equal(await client.closed.promise, 1000);
    assert.equal(client.text(1), "hello there");
    assert.equal(client.text(2), "err\n");
    const status = JSON.parse(client.text(3));
    assert.equal(status.reason, "NonZeroExitCode");
    assert.deepEqual(status.details.causes, [{ reason: "ExitCode", message: "7" }]);
  }));

Deno.test("exec says Success, and says why a command cannot be started", () =>
  withPod(sleep, async ({ open, ask }) => {
    const good = await open("/exec/default/web/main?stdout=true&command=true");
    await good.closed.promise;
    assert.equal(JSON.parse(good.text(3)).status, "Success");
    const bad = await open("/exec/default/web/main?stdout=true&command=no-such-program");
    await bad.closed.promise;
    assert.match(JSON.parse(bad.text(3)).message, /executable file not found in \$PATH/);
    assert.equal((await ask("/exec/default/web/main?command=true")).status, 400);
  }));

Deno.test("exec with a terminal has one, of the client's size", () =>
  withPod(sleep, async ({ open }) => {
    const command = ["sh", "-c", "test -t 0 && stty size"].map((word) => `command=${encodeURIComponent(word)}`);
    const client = await open(`/exec/default/web/main?stdin=true&stdout=true&tty=true&${command.join("&")}`);
    client.send(4, JSON.stringify({ Width: 100, Height: 30 }));
    await client.closed.promise;
    assert.equal(client.text(1).trim(), "30 100");
    assert.equal(JSON.parse(client.text(3)).status, "Success");
  }));

Deno.test("exec ends its command when the client goes away", () =>
  withPod(sleep, async ({ open }) => {
    const command = ["sh", "-c", "echo $$; exec sleep 1000"].map((word) => `command=${encodeURIComponent(word)}`);
    const client = await open(`/exec/default/web/main?stdout=true&${command.join("&")}`);
    await client.until(1, /\d+\n/);
    const pid = client.text(1).trim();
    client.channel.onClose(1006, "");
    const alive = () => Deno.readTextFile(`/proc/${pid}/stat`).then((text) => text.split(" ")[2] !== "Z", () => false);
    while (await alive()) await Promise.resolve();
  }));

Deno.test("attach shows what a container says from now on, and gives it what the client types", () =>
  withPod(["sh", "-c", "echo before; while read line; do echo got $line; done"], async ({ open, runtime, id }) => {
    while (!fromUtf8((await runtime.readLog(id, null)).bytes).includes("before")) await runtime.flushLog(id);
    const client = await open("/attach/default/web/main?stdin=true&stdout=true&stderr=true");
    client.send(0, "one\n");
    await client.until(1, /got one\n/);
    client.send(255, Uint8Array.of(0));
    await client.closed.promise;
    assert.equal(client.text(1), "got one\n");
    assert.equal(JSON.parse(client.text(3)).status, "Success");
  }, true));
