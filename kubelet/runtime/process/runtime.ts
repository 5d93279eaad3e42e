import { fromUtf8 } from "../../../base/bytes.ts";
import type { ChildProcess, Clock, Disk, Log, Processes, Random, Timer, Timers } from "../../../platform/mod.ts";
import { ProcessError } from "../../../platform/mod.ts";
import { type AddressPool, createAddressPool } from "../../core/address_pool.ts";
import { innerPath, readIfPresent } from "../../files.ts";
import * as limits from "../../limits.ts";
import {
  type ContainerConfig,
  type ContainerRuntime,
  type ExecOptions,
  type ExecSession,
  type ImageInfo,
  type LogChunk,
  type LogCursor,
  type RuntimeContainer,
  RuntimeError,
  type Sandbox,
  type SandboxConfig,
} from "../types.ts";
import { builtInImage, type ImageHost, unknownImageText } from "./images.ts";
import { findProgram, inTerminal, type Launch, planLaunch, prepareRoot, wrapped } from "./launch.ts";
import { LogPump } from "./log_pump.ts";
import { identify, isAlive, processesWith, type ProcessId, signal } from "./proc.ts";
import {
  containerDirectory,
  podDirectory,
  readExitCode,
  readPods,
  saveContainer,
  saveProcess,
  saveSandbox,
} from "./records.ts";

export interface ProcessRuntimeConfig {
  /** Absolute. Everything of this runtime lies below. */
  readonly dataDirectory: string;
  /** Absolute path of the Deno executable that runs the built-in images. */
  readonly denoPath: string;
  /** Pod addresses come from here. */
  readonly podCidr: string;
  readonly nodeAddress: string;
  /** Put into every container's environment as SAUROPOD_CONTAINER_OF, so that a sweep finds all of a cluster's. */
  readonly owner: string;
}

export interface ProcessRuntimeDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly processes: Processes;
  readonly log: Log;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A container and what holds it. */
interface Live {
  readonly container: Mutable<RuntimeContainer>;
  readonly config: ContainerConfig;
  readonly directory: string;
  readonly pump: LogPump;
  child: ChildProcess | null;
  /** The leader of its process group; null before its start. */
  process: ProcessId | null;
  poll: Timer | null;
  readonly ended: PromiseWithResolvers<void>;
  /** Execs under way: they end with the container. */
  readonly sessions: Set<ExecSession>;
  /** The last write of container.json. */
  saving: Promise<void>;
  launch: Launch | null;
}

/** 128 + SIGKILL: what a shell reports of a killed program. */
const killedCode = 137;
/** The code containerd reports when the program could not be started. */
const startErrorCode = 128;

/**
 * Containers as child processes of this machine: each a process group with an address of its own in 127/8, its own
 * directory, and no isolation whatever. They outlive the kubelet, which finds them again by pid and start time.
 */
export class ProcessRuntime implements ContainerRuntime {
  readonly name = "process";
  readonly version = "1.0.0";
  readonly reachable = true;
  onChange: (podUid: string) => void = () => {};
  readonly #config: ProcessRuntimeConfig;
  readonly #deps: ProcessRuntimeDeps;
  readonly #addresses: AddressPool;
  readonly #imageHost: ImageHost;
  readonly #sandboxes = new Map<string, Mutable<Sandbox>>();
  readonly #containers = new Map<string, Live>();
  /** Ends being written down. */
  readonly #ending = new Set<Promise<void>>();
  #stopped = false;

  constructor(config: ProcessRuntimeConfig, deps: ProcessRuntimeDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#addresses = createAddressPool(config.podCidr);
    this.#imageHost = { denoPath: config.denoPath, cacheDirectory: `${config.dataDirectory}/deno` };
  }

  async start(): Promise<void> {
    const { disk } = this.#deps;
    await disk.mkdir(`${this.#config.dataDirectory}/pods`);
    const found = await readPods(disk, this.#config.dataDirectory);
    for (const sandbox of found.sandboxes) {
      this.#sandboxes.set(sandbox.id, { ...sandbox });
      if (sandbox.state === "ready") this.#addresses.take(sandbox.ip);
    }
    for (const { stored, process, directory } of found.containers) {
      await this.#adopt({ ...stored.container }, stored.config, process, directory);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#ending);
    for (const live of this.#containers.values()) {
      live.poll?.cancel();
      for (const session of live.sessions) session.kill();
      await live.pump.stop();
    }
  }

  async runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const ip = config.hostNetwork ? this.#config.nodeAddress : this.#addresses.take();
    if (ip === null) throw new RuntimeError("exhausted", `no address is free in ${this.#config.podCidr}`);
    const sandbox: Sandbox = {
      id: this.#newId(),
      podUid: config.podUid,
      namespace: config.namespace,
      name: config.name,
      attempt: config.attempt,
      state: "ready",
      createdAtMs: this.#deps.clock.now(),
      ip,
    };
    try {
      await saveSandbox(this.#deps.disk, this.#config.dataDirectory, sandbox);
    } catch (error) {
      if (!config.hostNetwork) this.#addresses.free(ip);
      throw new RuntimeError("failed", `cannot make the pod's directory: ${String(error)}`, { cause: error });
    }
    this.#sandboxes.set(sandbox.id, { ...sandbox });
    return sandbox;
  }

  async stopPodSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined || sandbox.state === "notReady") return;
    await this.#killAllOf(sandbox);
    sandbox.state = "notReady";
    if (sandbox.ip !== this.#config.nodeAddress) this.#addresses.free(sandbox.ip);
    await saveSandbox(this.#deps.disk, this.#config.dataDirectory, sandbox);
  }

  async removePodSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return;
    await this.stopPodSandbox(id);
    for (const live of [...this.#containers.values()]) {
      if (live.container.sandboxId === id) await this.removeContainer(live.container.id);
    }
    this.#sandboxes.delete(id);
    const { disk } = this.#deps;
    const last = ![...this.#sandboxes.values()].some((each) => each.podUid === sandbox.podUid);
    const directory = podDirectory(this.#config.dataDirectory, sandbox.podUid);
    if (last) await disk.remove(directory, { recursive: true });
    else await disk.remove(`${directory}/sandbox-${sandbox.attempt}.json`);
  }

  async listPodSandboxes(podUid?: string): Promise<Sandbox[]> {
    const all = [...this.#sandboxes.values()].filter((each) => podUid === undefined || each.podUid === podUid);
    return all.map((each) => ({ ...each })).sort((a, b) => b.attempt - a.attempt);
  }

  async createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox === undefined || sandbox.state !== "ready") {
      throw new RuntimeError("notFound", `no ready sandbox ${sandboxId}`);
    }
    const image = builtInImage(config.image, this.#imageHost);
    if (image === null) throw new RuntimeError("imagePull", unknownImageText(config.image));
    const { disk, clock } = this.#deps;
    const directory = containerDirectory(this.#config.dataDirectory, sandbox.podUid, config.name, config.attempt);
    const container: RuntimeContainer = {
      id: this.#newId(),
      sandboxId,
      podUid: sandbox.podUid,
      name: config.name,
      attempt: config.attempt,
      state: "created",
      createdAtMs: clock.now(),
      startedAtMs: 0,
      finishedAtMs: 0,
      exitCode: 0,
      reason: "",
      message: "",
      image: config.image,
      imageId: image.id,
    };
    // An earlier kubelet may have died on the way: what it left under this attempt is not ours to go on with.
    await disk.remove(directory, { recursive: true });
    await disk.mkdir(directory);
    await saveContainer(disk, directory, { container, config });
    this.#hold({ ...container }, config, directory);
    return container.id;
  }

  async startContainer(id: string): Promise<void> {
    const live = this.#find(id);
    if (live.container.state !== "created") return;
    const { disk, processes, clock } = this.#deps;
    const root = `${live.directory}/root`;
    try {
      const image = builtInImage(live.config.image, this.#imageHost);
      if (image === null) throw new RuntimeError("imagePull", unknownImageText(live.config.image));
      await prepareRoot(root, live.config, { disk, processes });
      const launch = await planLaunch(image, live.config, root, this.#marks(live), disk);
      await live.pump.open();
      const child = processes.spawn("/bin/sh", {
        args: wrapped(live.directory, launch),
        env: launch.env,
        cwd: launch.cwd,
        stdin: live.config.stdin ? "piped" : "null",
      });
      live.launch = launch;
      live.child = child;
      live.process = await identify(disk, child.pid);
      live.container.state = "running";
      live.container.startedAtMs = clock.now();
      // The shell itself says nothing: the program's output goes to files.
      void child.stdout.cancel();
      void child.stderr.cancel();
      void child.exited.then((status) => this.#ended(live, status.code));
      await saveProcess(disk, live.directory, live.process);
      await this.#save(live);
    } catch (error) {
      if (live.child !== null) {
        live.child.kill("SIGKILL");
        throw error;
      }
      const message = error instanceof Error ? error.message : String(error);
      await live.pump.stop();
      Object.assign(live.container, {
        state: "exited",
        startedAtMs: 0,
        finishedAtMs: clock.now(),
        exitCode: startErrorCode,
        reason: "StartError",
        message: `failed to start container: ${message}`,
      });
      live.ended.resolve();
      await this.#save(live).catch(() => {});
      if (error instanceof RuntimeError) throw error;
      throw new RuntimeError(error instanceof ProcessError ? "start" : "failed", message, { cause: error });
    }
  }

  async stopContainer(id: string, graceMs: number): Promise<void> {
    const live = this.#containers.get(id);
    if (live === undefined || live.container.state !== "running") return;
    await this.#signal(live, "SIGTERM");
    const timer = this.#deps.timers.schedule(graceMs, () => void this.#killHard(live));
    await live.ended.promise;
    timer.cancel();
  }

  async removeContainer(id: string): Promise<void> {
    const live = this.#containers.get(id);
    if (live === undefined) return;
    if (live.container.state === "running") {
      await this.#killHard(live);
      await live.ended.promise;
    }
    live.poll?.cancel();
    await live.pump.stop();
    this.#containers.delete(id);
    await this.#deps.disk.remove(live.directory, { recursive: true });
  }

  async listContainers(podUid?: string): Promise<RuntimeContainer[]> {
    const all = [...this.#containers.values()].map((live) => live.container);
    return all.filter((each) => podUid === undefined || each.podUid === podUid).map((each) => ({ ...each }))
      .sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt);
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    const live = this.#find(id);
    if (live.container.state !== "running") throw new RuntimeError("notFound", `container ${id} is not running`);
    const [program, ...args] = options.command;
    if (program === undefined) throw new RuntimeError("start", "you must specify at least 1 command for the container");
    const { disk, processes } = this.#deps;
    const base = live.launch ?? await this.#launchAgain(live);
    const plain: Launch = { ...base, program: await findProgram(disk, program, base.env.PATH ?? "", base.cwd), args };
    const launch = options.tty ? inTerminal(plain, options.size) : plain;
    let child: ChildProcess;
    try {
      child = processes.spawn(launch.program, {
        args: launch.args,
        env: launch.env,
        cwd: launch.cwd,
        stdin: options.stdin ? "piped" : "null",
      });
    } catch (error) {
      throw new RuntimeError("start", error instanceof Error ? error.message : String(error), { cause: error });
    }
    const session: ExecSession = {
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      exitCode: child.exited.then((status) => status.code),
      kill: () => child.kill("SIGKILL"),
    };
    live.sessions.add(session);
    void child.exited.then(() => live.sessions.delete(session));
    return session;
  }

  attachStdin(id: string): WritableStream<Uint8Array> | null {
    return this.#find(id).child?.stdin ?? null;
  }

  async flushLog(id: string): Promise<void> {
    await this.#find(id).pump.flush();
  }

  readLog(id: string, cursor: LogCursor | null): Promise<LogChunk> {
    return this.#find(id).pump.read(cursor);
  }

  async pullImage(image: string): Promise<ImageInfo> {
    const info = await this.imageStatus(image);
    if (info === null) throw new RuntimeError("imagePull", unknownImageText(image));
    return info;
  }

  async imageStatus(image: string): Promise<ImageInfo | null> {
    const found = builtInImage(image, this.#imageHost);
    return found === null ? null : { id: found.id, sizeBytes: 0 };
  }

  #newId(): string {
    return [...this.#deps.random.bytes(32)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  #find(id: string): Live {
    const live = this.#containers.get(id);
    if (live === undefined) throw new RuntimeError("notFound", `no container ${id}`);
    return live;
  }

  #marks(live: Live): Record<string, string> {
    return {
      SAUROPOD_CONTAINER_OF: this.#config.owner,
      SAUROPOD_CONTAINER_ID: live.container.id,
      SAUROPOD_SANDBOX_ID: live.container.sandboxId,
    };
  }

  #hold(container: Mutable<RuntimeContainer>, config: ContainerConfig, directory: string): Live {
    const pausing = { pause: () => this.#signal(live, "SIGSTOP"), resume: () => this.#signal(live, "SIGCONT") };
    const live: Live = {
      container,
      config,
      directory,
      pump: new LogPump({ directory, interactive: config.stdin || config.tty }, pausing, this.#deps),
      child: null,
      process: null,
      poll: null,
      ended: Promise.withResolvers(),
      sessions: new Set(),
      launch: null,
      saving: Promise.resolve(),
    };
    this.#containers.set(container.id, live);
    return live;
  }

  /** One at a time: a start that is still being written down must not meet the end of a short program half-way. */
  #save(live: Live): Promise<void> {
    const { disk } = this.#deps;
    const save = () => saveContainer(disk, live.directory, { container: live.container, config: live.config });
    live.saving = live.saving.then(save, save);
    return live.saving;
  }

  /** A container of an earlier kubelet: alive, ended meanwhile, or never begun. */
  async #adopt(
    container: Mutable<RuntimeContainer>,
    config: ContainerConfig,
    process: ProcessId | null,
    directory: string,
  ): Promise<void> {
    const { disk, processes } = this.#deps;
    const live = this.#hold(container, config, directory);
    live.process = process;
    if (container.state === "exited") {
      live.ended.resolve();
      // Opened and closed, so that the log's place is known to readers.
      await live.pump.open();
      return await live.pump.stop();
    }
    if (container.state === "created") {
      // The kubelet died between the fork and its note of it, perhaps: whatever carries this id must not stay.
      await signal(processes, await processesWith(disk, "SAUROPOD_CONTAINER_ID", container.id), "KILL");
      this.#containers.delete(container.id);
      return await disk.remove(directory, { recursive: true });
    }
    await live.pump.open();
    this.#watchAdopted(live);
  }

  /** A process that is not our child sends no sign when it ends: look for it. */
  #watchAdopted(live: Live): void {
    const { disk, timers } = this.#deps;
    async function look(this: ProcessRuntime): Promise<void> {
      if (this.#stopped) return;
      if (live.process !== null && await isAlive(disk, live.process)) {
        if (!this.#stopped) live.poll = timers.schedule(limits.adoptedPollMs, () => void look.call(this));
        return;
      }
      await this.#ended(live, killedCode);
    }
    void look.call(this);
  }

  #ended(live: Live, code: number): Promise<void> {
    const ending = this.#writeEnd(live, code).finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    return ending;
  }

  /** @param code of the shell around the program; the code it wrote down, if it could, is the program's own */
  async #writeEnd(live: Live, code: number): Promise<void> {
    // After stop() the next kubelet is the one that writes down how its containers end.
    if (live.container.state !== "running" || this.#stopped) return;
    const { disk, clock, log } = this.#deps;
    // What the program started and did not wait for ends with it. A dead leader's number may be another's by now, so
    // processes that we adopted are found by the mark in their environment.
    live.child?.kill("SIGKILL");
    for (const session of live.sessions) session.kill();
    try {
      const written = await readExitCode(disk, live.directory);
      const message = await this.#lastWords(live);
      await live.pump.finish();
      Object.assign(live.container, {
        state: "exited",
        exitCode: written ?? code,
        finishedAtMs: clock.now(),
        message,
      });
      await this.#save(live);
    } catch (error) {
      // The data directory has gone, or the disk is full; the container has ended all the same.
      Object.assign(live.container, { state: "exited", exitCode: code, finishedAtMs: clock.now() });
      log.warn("container's end not written down", { id: live.container.id, error: String(error) });
    }
    live.ended.resolve();
    this.onChange(live.container.podUid);
  }

  /** What the container left in its termination message file. */
  async #lastWords(live: Live): Promise<string> {
    const inner = innerPath(live.config.terminationMessagePath);
    if (inner === null || inner === "") return "";
    const bytes = await readIfPresent(this.#deps.disk, `${live.directory}/root${inner}`);
    return fromUtf8((bytes ?? new Uint8Array(0)).subarray(0, limits.maxTerminationMessageBytes));
  }

  async #signal(live: Live, name: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): Promise<void> {
    if (live.container.state !== "running") return;
    if (live.child !== null) return live.child.kill(name);
    const { disk, processes } = this.#deps;
    if (live.process !== null && await isAlive(disk, live.process)) {
      await signal(processes, [-live.process.pid], name.slice(3));
    }
  }

  async #killHard(live: Live): Promise<void> {
    await this.#signal(live, "SIGKILL");
    // An adopted container's poll sees the end; a child reports it.
  }

  /** Processes that left their container's group carry the sandbox's mark all the same. */
  async #killAllOf(sandbox: Sandbox): Promise<void> {
    const { disk, processes } = this.#deps;
    const own = [...this.#containers.values()].filter((live) => live.container.sandboxId === sandbox.id);
    for (const live of own) {
      if (live.container.state !== "running") continue;
      await this.#killHard(live);
      await live.ended.promise;
    }
    if (own.length === 0) return;
    // A killed process takes a moment to go, and its address must not be another pod's before that.
    const { clock, timers, log } = this.#deps;
    const deadline = clock.monotonic() + limits.killWaitMs;
    for (;;) {
      const left = await processesWith(disk, "SAUROPOD_SANDBOX_ID", sandbox.id);
      if (left.length === 0) return;
      if (clock.monotonic() > deadline) return log.warn("processes do not end", { pod: sandbox.name, pids: left });
      await signal(processes, left, "KILL");
      await timers.sleep(10);
    }
  }

  /** The environment of a container that an earlier kubelet started. */
  #launchAgain(live: Live): Promise<Launch> {
    const image = builtInImage(live.config.image, this.#imageHost);
    if (image === null) throw new RuntimeError("imagePull", unknownImageText(live.config.image));
    return planLaunch(image, live.config, `${live.directory}/root`, this.#marks(live), this.#deps.disk);
  }
}
