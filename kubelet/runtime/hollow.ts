import { utf8 } from "../../base/bytes.ts";
import type { Pod } from "../../api/gen/types.ts";
import { parseTime } from "../../api/time.ts";
import type { Clock, Random, Timer, Timers } from "../../platform/mod.ts";
import { type AddressPool, createAddressPool } from "../core/address_pool.ts";
import { logTime } from "../core/cri_log.ts";
import { parseImage } from "../core/image.ts";
import {
  type ContainerConfig,
  type ContainerRuntime,
  type ExecSession,
  type ImageInfo,
  type LogChunk,
  type LogCursor,
  type RuntimeContainer,
  RuntimeError,
  type Sandbox,
  type SandboxConfig,
} from "./types.ts";

export interface HollowRuntimeConfig {
  readonly podCidr: string;
  readonly nodeAddress: string;
  /** How long a container takes to start. */
  readonly startDelayMs: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Simulated {
  readonly container: Mutable<RuntimeContainer>;
}

/** 128 + SIGTERM: how a program that does not handle the signal ends. */
const terminatedCode = 143;

/** Pods without processes: any image, nothing but records, thousands in one kubelet. */
export class HollowRuntime implements ContainerRuntime {
  readonly name = "hollow";
  readonly version = "1.0.0";
  readonly reachable = false;
  onChange: (podUid: string) => void = () => {};
  readonly #config: HollowRuntimeConfig;
  readonly #deps: { readonly clock: Clock; readonly timers: Timers; readonly random: Random };
  readonly #addresses: AddressPool;
  readonly #sandboxes = new Map<string, Mutable<Sandbox>>();
  readonly #containers = new Map<string, Simulated>();
  /** Ids by pod: a kubelet asks pod by pod, and must not look at all of them each time. */
  readonly #byPod = new Map<string, Set<string>>();
  readonly #starting = new Map<Timer, () => void>();

  constructor(
    config: HollowRuntimeConfig,
    deps: { readonly clock: Clock; readonly timers: Timers; readonly random: Random },
  ) {
    this.#config = config;
    this.#deps = deps;
    this.#addresses = createAddressPool(config.podCidr);
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    for (const [timer, release] of this.#starting) {
      timer.cancel();
      release();
    }
    this.#starting.clear();
  }

  /**
   * Makes a pod that the API says is running so again, at its address, as if its containers had outlived the kubelet.
   * A pod that is known already, or not running, is left alone.
   */
  restore(pod: Readonly<Pod>): void {
    const { uid = "", namespace = "", name = "" } = pod.metadata ?? {};
    const { status } = pod;
    if (status?.phase !== "Running" || this.#byPod.has(uid)) return;
    const ip = pod.spec?.hostNetwork === true ? this.#config.nodeAddress : this.#addresses.take(status.podIP);
    if (ip === null) return;
    const startedAtMs = parseTime(status.startTime ?? "") ?? this.#deps.clock.now();
    const sandbox = this.#addSandbox({ podUid: uid, namespace, name, attempt: 0 }, ip, startedAtMs);
    for (const each of [...status.initContainerStatuses ?? [], ...status.containerStatuses ?? []]) {
      const { running, terminated } = each.state ?? {};
      if (running === undefined && terminated === undefined) continue;
      const begun = parseTime(running?.startedAt ?? terminated?.startedAt ?? "") ?? startedAtMs;
      this.#addContainer({
        id: (each.containerID ?? "").replace(/^[a-z]+:\/\//, "") || this.#newId(),
        sandboxId: sandbox.id,
        podUid: uid,
        name: each.name,
        attempt: each.restartCount,
        state: running !== undefined ? "running" : "exited",
        createdAtMs: begun,
        startedAtMs: begun,
        finishedAtMs: parseTime(terminated?.finishedAt ?? "") ?? 0,
        exitCode: terminated?.exitCode ?? 0,
        reason: terminated?.reason ?? "",
        message: terminated?.message ?? "",
        image: each.image,
        imageId: each.imageID,
      });
    }
  }

  async runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const ip = config.hostNetwork ? this.#config.nodeAddress : this.#addresses.take();
    if (ip === null) throw new RuntimeError("exhausted", `no address is free in ${this.#config.podCidr}`);
    return { ...this.#addSandbox(config, ip, this.#deps.clock.now()) };
  }

  async stopPodSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined || sandbox.state === "notReady") return;
    for (const { container } of this.#containersOf(sandbox.podUid)) {
      if (container.sandboxId === id) this.#end(container, 137);
    }
    sandbox.state = "notReady";
    if (sandbox.ip !== this.#config.nodeAddress) this.#addresses.free(sandbox.ip);
  }

  async removePodSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return;
    await this.stopPodSandbox(id);
    for (const { container } of this.#containersOf(sandbox.podUid)) {
      if (container.sandboxId === id) await this.removeContainer(container.id);
    }
    this.#sandboxes.delete(id);
    this.#forget(sandbox.podUid, id);
  }

  async listPodSandboxes(podUid?: string): Promise<Sandbox[]> {
    const all = podUid === undefined
      ? [...this.#sandboxes.values()]
      : [...this.#byPod.get(podUid) ?? []].flatMap((id) => this.#sandboxes.get(id) ?? []);
    return all.map((each) => ({ ...each })).sort((a, b) => b.attempt - a.attempt);
  }

  async createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox === undefined || sandbox.state !== "ready") {
      throw new RuntimeError("notFound", `no ready sandbox ${sandboxId}`);
    }
    const image = await this.pullImage(config.image);
    const id = this.#newId();
    this.#addContainer({
      id,
      sandboxId,
      podUid: sandbox.podUid,
      name: config.name,
      attempt: config.attempt,
      state: "created",
      createdAtMs: this.#deps.clock.now(),
      startedAtMs: 0,
      finishedAtMs: 0,
      exitCode: 0,
      reason: "",
      message: "",
      image: config.image,
      imageId: image.id,
    });
    return id;
  }

  async startContainer(id: string): Promise<void> {
    const { container } = this.#find(id);
    if (container.state !== "created") return;
    if (this.#config.startDelayMs > 0) await this.#delay(this.#config.startDelayMs);
    if (container.state !== "created" || !this.#containers.has(id)) return; // removed meanwhile
    container.state = "running";
    container.startedAtMs = this.#deps.clock.now();
  }

  /** A simulated container obeys SIGTERM at once. */
  async stopContainer(id: string, _graceMs: number): Promise<void> {
    const found = this.#containers.get(id);
    if (found !== undefined) this.#end(found.container, terminatedCode);
  }

  async removeContainer(id: string): Promise<void> {
    const found = this.#containers.get(id);
    if (found === undefined) return;
    this.#end(found.container, 137);
    this.#containers.delete(id);
    this.#forget(found.container.podUid, id);
  }

  async listContainers(podUid?: string): Promise<RuntimeContainer[]> {
    const all = podUid === undefined ? [...this.#containers.values()] : this.#containersOf(podUid);
    return all.map(({ container }) => ({ ...container }))
      .sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt);
  }

  async exec(id: string): Promise<ExecSession> {
    this.#find(id);
    const message = "cannot run a command in a simulated container: this node uses the hollow runtime";
    throw new RuntimeError("unsupported", message);
  }

  attachStdin(): null {
    return null;
  }

  async flushLog(): Promise<void> {}

  async readLog(id: string, cursor: LogCursor | null): Promise<LogChunk> {
    const { container } = this.#find(id);
    const text = [
      `simulated container ${container.name} of image ${container.image}`,
      "nothing runs: this node uses the hollow runtime",
    ];
    const bytes = utf8(text.map((line) => `${logTime(container.createdAtMs)} stdout F ${line}\n`).join(""));
    const offset = cursor?.offset ?? 0;
    return { bytes: bytes.subarray(offset), cursor: { generation: 0, offset: bytes.length } };
  }

  async pullImage(image: string): Promise<ImageInfo> {
    const info = await this.imageStatus(image);
    if (info === null) throw new RuntimeError("invalidImage", `couldn't parse image name "${image}"`);
    return info;
  }

  async imageStatus(image: string): Promise<ImageInfo | null> {
    const name = parseImage(image);
    return name === null ? null : { id: `${name.repository}@simulated`, sizeBytes: 0 };
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#deps.timers.schedule(ms, () => {
        this.#starting.delete(timer);
        resolve();
      });
      this.#starting.set(timer, resolve);
    });
  }

  #newId(): string {
    return [...this.#deps.random.bytes(32)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  #find(id: string): Simulated {
    const found = this.#containers.get(id);
    if (found === undefined) throw new RuntimeError("notFound", `no container ${id}`);
    return found;
  }

  #containersOf(podUid: string): Simulated[] {
    return [...this.#byPod.get(podUid) ?? []].flatMap((id) => this.#containers.get(id) ?? []);
  }

  #addSandbox(
    of: Pick<SandboxConfig, "podUid" | "namespace" | "name" | "attempt">,
    ip: string,
    createdAtMs: number,
  ): Sandbox {
    const { podUid, namespace, name, attempt } = of;
    const sandbox: Sandbox = { id: this.#newId(), podUid, namespace, name, attempt, state: "ready", createdAtMs, ip };
    this.#sandboxes.set(sandbox.id, sandbox);
    this.#remember(podUid, sandbox.id);
    return sandbox;
  }

  #addContainer(container: Mutable<RuntimeContainer>): void {
    this.#containers.set(container.id, { container });
    this.#remember(container.podUid, container.id);
  }

  #remember(podUid: string, id: string): void {
    const ids = this.#byPod.get(podUid) ?? new Set();
    ids.add(id);
    this.#byPod.set(podUid, ids);
  }

  #forget(podUid: string, id: string): void {
    const ids = this.#byPod.get(podUid);
    ids?.delete(id);
    if (ids?.size === 0) this.#byPod.delete(podUid);
  }

  #end(container: Mutable<RuntimeContainer>, exitCode: number): void {
    if (container.state !== "running") return;
    container.state = "exited";
    container.exitCode = exitCode;
    container.finishedAtMs = this.#deps.clock.now();
    this.onChange(container.podUid);
  }
}
