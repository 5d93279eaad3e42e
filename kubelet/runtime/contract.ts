import assert from "node:assert/strict";
import { fromUtf8 } from "../../base/bytes.ts";
import { parseLogLine } from "../core/cri_log.ts";
import { type ContainerConfig, type ContainerRuntime, RuntimeError, type SandboxConfig } from "./types.ts";

/** What the suite needs to know of a runtime. `make` gives a fresh one each time, over the same data when asked. */
export interface RuntimeUnderTest {
  readonly runtime: ContainerRuntime;
  /** A command that runs until it is told to end. */
  readonly longCommand: readonly string[];
  readonly image: string;
  cleanUp(): Promise<void>;
}

const uid = "7a1f2a90-0000-4000-8000-000000000001";

export function sandboxConfig(over: Partial<SandboxConfig> = {}): SandboxConfig {
  return { podUid: uid, namespace: "default", name: "web", attempt: 0, hostname: "web", hostNetwork: false, ...over };
}

export function containerConfig(
  under: Pick<RuntimeUnderTest, "image" | "longCommand">,
  over: Partial<ContainerConfig> = {},
): ContainerConfig {
  return {
    name: "main",
    attempt: 0,
    image: under.image,
    command: under.longCommand,
    args: [],
    env: {},
    workingDir: "",
    mounts: [],
    stdin: false,
    tty: false,
    terminationMessagePath: "/dev/termination-log",
    ...over,
  };
}

/** The promises every runtime keeps. */
export function runtimeContract(name: string, make: () => Promise<RuntimeUnderTest>): void {
  function contract(promise: string, body: (under: RuntimeUnderTest) => Promise<void>): void {
    Deno.test(`${name} runtime: ${promise}`, async () => {
      const under = await make();
      try {
        await under.runtime.start();
        await body(under);
        for (const sandbox of await under.runtime.listPodSandboxes()) await under.runtime.removePodSandbox(sandbox.id);
      } finally {
        await under.runtime.stop();
        await under.cleanUp();
      }
    });
  }

  contract("a sandbox has an address of its own, given back when it stops", async ({ runtime }) => {
    const first = await runtime.runPodSandbox(sandboxConfig());
    const second = await runtime.runPodSandbox(sandboxConfig({ podUid: uid.replace(/1$/, "2") }));
    assert.match(first.ip, /^127\./);
    assert.notEqual(first.ip, second.ip);
    await runtime.stopPodSandbox(first.id);
    await runtime.stopPodSandbox(first.id);
    assert.equal((await runtime.listPodSandboxes(uid))[0]?.state, "notReady");
    await runtime.removePodSandbox(first.id);
    assert.deepEqual(await runtime.listPodSandboxes(uid), []);
  });

  contract("hostNetwork uses the node's address and does not free it", async ({ runtime }) => {
    const first = await runtime.runPodSandbox(sandboxConfig({ hostNetwork: true }));
    await runtime.removePodSandbox(first.id);
    const second = await runtime.runPodSandbox(sandboxConfig({ hostNetwork: true }));
    assert.equal(first.ip, second.ip);
  });

  contract("a container goes from created to running to exited, and its end is announced", async (under) => {
    const { runtime } = under;
    const changed = Promise.withResolvers<string>();
    runtime.onChange = (podUid) => changed.resolve(podUid);
    const sandbox = await runtime.runPodSandbox(sandboxConfig());
    const id = await runtime.createContainer(sandbox.id, containerConfig(under));
    assert.equal((await runtime.listContainers(uid))[0]?.state, "created");
    await runtime.startContainer(id);
    const running = (await runtime.listContainers(uid))[0];
    assert.equal(running?.state, "running");
    assert.ok(running.startedAtMs >= running.createdAtMs);
    await runtime.stopContainer(id, 5000);
    const ended = (await runtime.listContainers(uid))[0];
    assert.equal(ended?.state, "exited");
    assert.equal(ended.exitCode, 143, "128 + SIGTERM");
    assert.equal(await changed.promise, uid);
    await runtime.stopContainer(id, 5000);
    await runtime.removeContainer(id);
    await runtime.removeContainer(id);
    assert.deepEqual(await runtime.listContainers(uid), []);
  });

  contract("removing a sandbox ends and removes its containers", async (under) => {
    const { runtime } = under;
    const sandbox = await runtime.runPodSandbox(sandboxConfig());
    await runtime.startContainer(await runtime.createContainer(sandbox.id, containerConfig(under)));
    await runtime.removePodSandbox(sandbox.id);
    assert.deepEqual(await runtime.listContainers(), []);
    assert.deepEqual(await runtime.listPodSandboxes(), []);
  });

  contract("a container's log is CRI lines, and reading goes on where it stopped", async (under) => {
    const { runtime } = under;
    const sandbox = await runtime.runPodSandbox(sandboxConfig());
    const id = await runtime.createContainer(sandbox.id, containerConfig(under));
    await runtime.startContainer(id);
    await runtime.stopContainer(id, 5000);
    await runtime.flushLog(id);
    const first = await runtime.readLog(id, null);
    for (const line of fromUtf8(first.bytes).split("\n").filter((each) => each !== "")) {
      assert.notEqual(parseLogLine(new TextEncoder().encode(line + "\n")), null, line);
    }
    assert.equal((await runtime.readLog(id, first.cursor)).bytes.length, 0);
  });

  contract("addresses run out with a RuntimeError that names the range", async ({ runtime }) => {
    const takeAll = async () => {
      for (let i = 0; i < 300; i++) await runtime.runPodSandbox(sandboxConfig({ podUid: `pod-${i}` }));
    };
    await assert.rejects(takeAll(), (error) => error instanceof RuntimeError && error.kind === "exhausted");
  });

  contract("an unknown container is a RuntimeError of kind notFound", async ({ runtime }) => {
    const isNotFound = (error: unknown) => error instanceof RuntimeError && error.kind === "notFound";
    await assert.rejects(runtime.startContainer("none"), isNotFound);
    await assert.rejects(
      async () => await runtime.exec("none", { command: ["true"], stdin: false, tty: false }),
      isNotFound,
    );
    await runtime.stopContainer("none", 0);
    await runtime.removeContainer("none");
  });
}
