import assert from "node:assert/strict";
import { fromUtf8 } from "../../../base/bytes.ts";
import { createDenoPlatform } from "../../../platform/deno/mod.ts";
import { containerConfig, runtimeContract, sandboxConfig } from "../contract.ts";
import { RuntimeError } from "../types.ts";
import { ProcessRuntime } from "./runtime.ts";

const image = "sauropod.dev/host:1";
const longCommand = ["sleep", "1000"];
const under = { image, longCommand };

function make(dataDirectory: string): ProcessRuntime {
  return new ProcessRuntime({
    dataDirectory,
    denoPath: Deno.execPath(),
    podCidr: "127.250.2.0/24",
    nodeAddress: "127.250.0.1",
    owner: dataDirectory,
  }, createDenoPlatform({ component: "test", logLevel: "error" }));
}

async function withRuntime(body: (runtime: ProcessRuntime, directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-runtime-" });
  const runtime = make(directory);
  try {
    await runtime.start();
    await body(runtime, directory);
    for (const sandbox of await runtime.listPodSandboxes()) await runtime.removePodSandbox(sandbox.id);
  } finally {
    await runtime.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

runtimeContract("process", async () => {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-runtime-" });
  return {
    runtime: make(directory),
    ...under,
    cleanUp: () => Deno.remove(directory, { recursive: true }),
  };
});

async function started(runtime: ProcessRuntime, command: string[], env: Record<string, string> = {}): Promise<string> {
  const sandbox = await runtime.runPodSandbox(sandboxConfig());
  const id = await runtime.createContainer(sandbox.id, containerConfig(under, { command, env }));
  await runtime.startContainer(id);
  return id;
}

async function exited(runtime: ProcessRuntime, id: string) {
  for (;;) {
    const container = (await runtime.listContainers()).find((each) => each.id === id);
    if (container === undefined || container.state === "exited") return container;
    const changed = Promise.withResolvers<void>();
    runtime.onChange = () => changed.resolve();
    await changed.promise;
  }
}

Deno.test("ProcessRuntime keeps a program's exit code, output and last words", () =>
  withRuntime(async (runtime) => {
    const script = 'echo out; echo err >&2; printf tail; echo why >"$SAUROPOD_ROOT/dev/termination-log"; exit 3';
    const id = await started(runtime, ["sh", "-c", script], { GREETING: "hello" });
    const container = await exited(runtime, id);
    assert.equal(container?.exitCode, 3);
    assert.equal(container.message, "why\n");
    const log = fromUtf8((await runtime.readLog(id, null)).bytes);
    assert.match(log, /^\S+Z stdout F out$/m);
    assert.match(log, /^\S+Z stderr F err$/m);
    assert.match(log, /^\S+Z stdout P tail$/m);
  }));

Deno.test("ProcessRuntime.startContainer() bears programs that end before their start is written down", () =>
  withRuntime(async (runtime) => {
    for (let i = 0; i < 40; i++) {
      const id = await started(runtime, ["true"]);
      assert.equal((await exited(runtime, id))?.exitCode, 0);
      await runtime.removeContainer(id);
    }
  }));

Deno.test("ProcessRuntime reports 137 for a program that was killed", () =>
  withRuntime(async (runtime) => {
    const id = await started(runtime, ["sh", "-c", "kill -9 $$"]);
    assert.equal((await exited(runtime, id))?.exitCode, 137);
  }));

Deno.test("ProcessRuntime.stopContainer() kills what ignores SIGTERM when the grace is over", () =>
  withRuntime(async (runtime) => {
    const id = await started(runtime, ["sh", "-c", 'trap "" TERM; echo ready; sleep 1000 & wait; sleep 1000']);
    for (;;) {
      await runtime.flushLog(id);
      if ((await runtime.readLog(id, null)).bytes.length > 0) break;
      await Promise.resolve();
    }
    await runtime.stopContainer(id, 50);
    assert.equal((await exited(runtime, id))?.exitCode, 137);
  }));

Deno.test("ProcessRuntime.startContainer() says which program is missing", () =>
  withRuntime(async (runtime) => {
    const sandbox = await runtime.runPodSandbox(sandboxConfig());
    const id = await runtime.createContainer(sandbox.id, containerConfig(under, { command: ["no-such-program"] }));
    await assert.rejects(
      runtime.startContainer(id),
      (error) => error instanceof RuntimeError && /executable file not found in \$PATH/.test(error.message),
    );
    const container = (await runtime.listContainers())[0];
    assert.deepEqual([container?.state, container?.reason, container?.exitCode], ["exited", "StartError", 128]);
  }));

Deno.test("ProcessRuntime refuses images that it does not have, and says what to use", () =>
  withRuntime(async (runtime) => {
    assert.equal(await runtime.imageStatus("nginx"), null);
    await assert.rejects(
      runtime.pullImage("nginx"),
      /image "nginx" cannot run in the process runtime.*--runtime hollow/,
    );
    assert.notEqual(await runtime.imageStatus("registry.k8s.io/pause:3.10"), null);
    assert.notEqual(await runtime.imageStatus("sauropod.dev/echo:1"), null);
  }));

Deno.test("ProcessRuntime.exec() runs in the container's directory and environment", () =>
  withRuntime(async (runtime) => {
    const id = await started(runtime, longCommand, { COLOR: "green" });
    const session = await runtime.exec(id, {
      command: ["sh", "-c", 'read line; echo "$COLOR $line $(basename "$PWD")"; echo no >&2; exit 4'],
      stdin: true,
      tty: false,
    });
    const writer = session.stdin?.getWriter();
    await writer?.write(new TextEncoder().encode("tree\n"));
    await writer?.close();
    const [out, err] = await Promise.all([
      new Response(session.stdout).text(),
      new Response(session.stderr).text(),
    ]);
    assert.equal(out, "green tree root\n");
    assert.equal(err, "no\n");
    assert.equal(await session.exitCode, 4);
  }));

Deno.test("ProcessRuntime links volumes into the container's root, and refuses to leave it", () =>
  withRuntime(async (runtime, directory) => {
    await Deno.mkdir(`${directory}/volume`);
    await Deno.writeTextFile(`${directory}/volume/key`, "value");
    const sandbox = await runtime.runPodSandbox(sandboxConfig());
    const mount = { hostPath: `${directory}/volume`, containerPath: "/etc/config", readOnly: true };
    const id = await runtime.createContainer(
      sandbox.id,
      containerConfig(under, { command: ["cat", "etc/config/key"], mounts: [mount] }),
    );
    await runtime.startContainer(id);
    assert.equal((await exited(runtime, id))?.exitCode, 0);
    assert.match(fromUtf8((await runtime.readLog(id, null)).bytes), /stdout P value$/m);
    const bad = await runtime.createContainer(
      sandbox.id,
      containerConfig(under, { name: "bad", mounts: [{ ...mount, containerPath: "/a/../../.." }] }),
    );
    await assert.rejects(runtime.startContainer(bad), /invalid mount path/);
  }));

Deno.test("ProcessRuntime.start() adopts containers that outlived their kubelet, and learns how they end", async () => {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-runtime-" });
  const first = make(directory);
  await first.start();
  const sandbox = await first.runPodSandbox(sandboxConfig());
  const script = 'echo before; while [ ! -e "$SAUROPOD_ROOT/go" ]; do sleep 0.01; done; echo after; exit 5';
  const config = containerConfig(under, { command: ["sh", "-c", script] });
  const ending = await first.createContainer(sandbox.id, config);
  const living = await first.createContainer(sandbox.id, containerConfig(under, { name: "living" }));
  await first.startContainer(ending);
  await first.startContainer(living);
  await first.stop();

  // One ends while no kubelet looks.
  const home = `${directory}/pods/${sandbox.podUid}/containers/main/0`;
  await Deno.writeTextFile(`${home}/root/go`, "");
  while (await Deno.readTextFile(`${home}/exit`).catch(() => "") !== "5") await Promise.resolve();

  const second = make(directory);
  await second.start();
  assert.equal((await second.listPodSandboxes())[0]?.ip, sandbox.ip);
  assert.equal((await exited(second, ending))?.exitCode, 5);
  assert.match(fromUtf8((await second.readLog(ending, null)).bytes), /F before\n.*F after\n/);
  assert.equal((await second.listContainers()).find((each) => each.id === living)?.state, "running");
  await second.stopContainer(living, 5000);
  assert.equal((await second.listContainers()).find((each) => each.id === living)?.exitCode, 143);
  await second.removePodSandbox(sandbox.id);
  await second.stop();
  await Deno.remove(directory, { recursive: true });
});

Deno.test("ProcessRuntime.removePodSandbox() also ends a process that left its container's group", () =>
  withRuntime(async (runtime) => {
    const id = await started(runtime, [
      "sh",
      "-c",
      "setsid sleep 999 </dev/null >/dev/null 2>&1 & echo $!; exec sleep 1000",
    ]);
    let pid = "";
    while (pid === "") {
      await runtime.flushLog(id);
      pid = /F (\d+)$/m.exec(fromUtf8((await runtime.readLog(id, null)).bytes))?.[1] ?? "";
    }
    for (const sandbox of await runtime.listPodSandboxes()) await runtime.removePodSandbox(sandbox.id);
    // The killed process may still be waited for by whoever adopted it.
    const state = await Deno.readTextFile(`/proc/${pid}/stat`).then((text) => text.split(" ")[2], () => "gone");
    assert.ok(state === "gone" || state === "Z" || state === "X", String(state));
  }));

Deno.test("the echo image answers on its pod's address and ends on SIGTERM with 0", () =>
  withRuntime(async (runtime) => {
    const sandbox = await runtime.runPodSandbox(sandboxConfig());
    const id = await runtime.createContainer(sandbox.id, {
      ...containerConfig(under),
      image: "sauropod.dev/echo:1",
      command: [],
      env: { POD_IP: sandbox.ip, POD_NAME: "web-1" },
    });
    await runtime.startContainer(id);
    let log = "";
    while (!log.includes("listens on")) {
      await runtime.flushLog(id);
      log = fromUtf8((await runtime.readLog(id, null)).bytes);
    }
    const client = createDenoPlatform({ component: "test" }).network.http.client({});
    const response = await client.fetch(`http://${sandbox.ip}:8080/a?b=c`, { headers: { accept: "application/json" } });
    const facts = await response.json();
    client.close();
    assert.equal(facts.pod, "web-1");
    assert.equal(facts.request.path, "/a?b=c");
    await runtime.stopContainer(id, 10_000);
    assert.equal((await exited(runtime, id))?.exitCode, 0);
  }));
