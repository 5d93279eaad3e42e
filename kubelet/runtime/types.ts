import type { ObservedContainer, ObservedSandbox } from "../core/types.ts";

/** A pod's place on the node: its address, its directory. */
export interface SandboxConfig {
  readonly podUid: string;
  readonly namespace: string;
  readonly name: string;
  readonly attempt: number;
  readonly hostname: string;
  /** Uses the node's address instead of one of its own. */
  readonly hostNetwork: boolean;
}

export interface Sandbox extends ObservedSandbox {
  readonly podUid: string;
  readonly namespace: string;
  readonly name: string;
}

export interface Mount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readOnly: boolean;
}

export interface ContainerConfig {
  readonly name: string;
  readonly attempt: number;
  /** As in the pod's spec. */
  readonly image: string;
  /** Replaces the image's entrypoint when not empty. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** "" for the image's. */
  readonly workingDir: string;
  readonly mounts: readonly Mount[];
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly terminationMessagePath: string;
}

export interface RuntimeContainer extends ObservedContainer {
  readonly sandboxId: string;
  readonly podUid: string;
}

/** Where reading a container's log has come to. Opaque to readers; the start is {@linkcode logStart}. */
export interface LogCursor {
  /** Which of the rotated files, counted from 0. */
  readonly generation: number;
  readonly offset: number;
}

export interface LogChunk {
  /** CRI log text: whole lines. Empty: nothing more now. */
  readonly bytes: Uint8Array;
  readonly cursor: LogCursor;
}

export interface ExecOptions {
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly tty: boolean;
  /** The terminal's size, when there is one. */
  readonly size?: { readonly width: number; readonly height: number };
}

/** A command running in a container. Whoever asked for it reads both streams to their end or cancels them. */
export interface ExecSession {
  readonly stdin: WritableStream<Uint8Array> | null;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly exitCode: Promise<number>;
  kill(): void;
}

/** Why the runtime would not. `kind` decides what the pod's status says. */
export type RuntimeErrorKind =
  | "notFound"
  | "imagePull"
  | "invalidImage"
  | "start"
  | "unsupported"
  | "exhausted"
  | "failed";

export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  readonly kind: RuntimeErrorKind;
  constructor(kind: RuntimeErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

export interface ImageInfo {
  readonly id: string;
  readonly sizeBytes: number;
}

/**
 * What runs containers, in the shape of CRI. Every call but `exec`, `attach` and the reads is idempotent. Containers
 * outlive the kubelet: `start` finds those of an earlier one.
 */
export interface ContainerRuntime {
  /** As in container ids: `process`, `hollow`. */
  readonly name: string;
  readonly version: string;
  /** Whether pods are reached over the network: false means that probes are not sent but assumed to succeed. */
  readonly reachable: boolean;
  /** Something of this pod changed: a container ended, say. Called in a turn of its own; set before `start`. */
  onChange: (podUid: string) => void;
  /** Finds what an earlier kubelet left. */
  start(): Promise<void>;
  /** Lets go of everything without stopping containers. */
  stop(): Promise<void>;

  runPodSandbox(config: SandboxConfig): Promise<Sandbox>;
  /** Containers must have been stopped. Frees the address. */
  stopPodSandbox(id: string): Promise<void>;
  /** Kills what still runs, removes the sandbox and all that belongs to it. */
  removePodSandbox(id: string): Promise<void>;
  listPodSandboxes(podUid?: string): Promise<Sandbox[]>;

  createContainer(sandboxId: string, config: ContainerConfig): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when the container has ended. A second call may shorten the first. */
  stopContainer(id: string, graceMs: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  listContainers(podUid?: string): Promise<RuntimeContainer[]>;

  exec(id: string, options: ExecOptions): Promise<ExecSession>;
  /** The running container's stdin (null when its spec does not ask for one). */
  attachStdin(id: string): WritableStream<Uint8Array> | null;
  /** Brings what the container has written so far into its log. */
  flushLog(id: string): Promise<void>;
  /** `cursor` null: from the start of the newest file. */
  readLog(id: string, cursor: LogCursor | null): Promise<LogChunk>;

  pullImage(image: string): Promise<ImageInfo>;
  /** Null when it is not on the node. */
  imageStatus(image: string): Promise<ImageInfo | null>;
}
