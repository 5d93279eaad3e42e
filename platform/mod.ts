/**
 * Every effect the product has, as interfaces. `platform/deno` is the real world, `platform/sim` the simulated one;
 * both pass `platform/contract.ts`. A shell's factory takes only the parts it uses; none is defaulted to the real one.
 */

/** Milliseconds. */
export type Millis = number;

export interface Clock {
  /** Wall clock, milliseconds since the epoch. May step; for timestamps that people and other programs read. */
  now(): Millis;
  /** Milliseconds since an arbitrary start, fractional, never steps back. For every duration and deadline. */
  monotonic(): Millis;
}

export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void;
}

export interface Timers {
  /** Runs `fn` once, `delayMs` from now at the earliest. */
  schedule(delayMs: Millis, fn: () => void): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: Millis, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** A float in [0, 1). */
  next(): number;
  /** An integer in [0, bound). */
  int(bound: number): number;
  bytes(length: number): Uint8Array<ArrayBuffer>;
  /** RFC 9562 version 4. */
  uuid(): string;
}

/** The closed set of disk failures. `cause` keeps the original. */
export type DiskErrorKind = "notFound" | "alreadyExists" | "noSpace" | "permission" | "io";

export class DiskError extends Error {
  override readonly name = "DiskError";
  readonly kind: DiskErrorKind;
  constructor(kind: DiskErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** Nothing is durable before `sync()` returned; a created, renamed or removed name not before `Disk.syncDirectory()`. */
export interface DiskFile {
  readonly path: string;
  /**
   * Writes all of `bytes` at `offset`; the file grows as needed. Calls on one file are carried out in order. `bytes` are
   * the callee's until it resolves.
   */
  writeAt(offset: number, bytes: Uint8Array): Promise<void>;
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. */
  readAt(offset: number, length: number): Promise<Uint8Array>;
  size(): Promise<number>;
  truncate(length: number): Promise<void>;
  /** fdatasync. After a failure the file's content is unknown: stop the component (fsyncgate). */
  sync(): Promise<void>;
  close(): void;
}

/**
 * Memory that lies on the disk: gone with the process, durable never. Synchronous, for it moves bytes between memory and
 * the page cache, mostly. @throws DiskError
 */
export interface Scratch {
  /** @return where `bytes` lie */
  append(bytes: Uint8Array): number;
  read(offset: number, length: number): Uint8Array;
  /** Gives the space back. */
  close(): void;
}

export interface Disk {
  /** @param options.create make the file when it is missing (mode 0600) @param options.truncate empty it first */
  open(path: string, options: { create?: boolean; truncate?: boolean }): Promise<DiskFile>;
  readFile(path: string): Promise<Uint8Array>;
  /** Write to a temporary name, sync, rename, sync the directory: readers see the old or the new content. Mode 0600. */
  writeFileAtomic(path: string, bytes: Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Missing is not an error. */
  remove(path: string, options?: { recursive?: boolean }): Promise<void>;
  /** Recursive, mode 0700; existing is not an error. */
  mkdir(path: string): Promise<void>;
  /** Names (not paths) in `path`, sorted by code unit. */
  list(path: string): Promise<string[]>;
  stat(path: string): Promise<{ size: number; isDirectory: boolean } | null>;
  syncDirectory(path: string): Promise<void>;
  /** A file without a name on the disk that `directory` is on. @throws DiskError */
  openScratch(directory: string): Scratch;
}

/** Who the other end proved to be: the subject of a verified client certificate. */
export interface PeerIdentity {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

/** PEM texts. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/**
 * `unix:/path`, `tcp:host:port`. Port 0 asks for any; the listener's `address` tells which.
 * The simulator accepts any name that a simulated host listens on.
 */
export type Address = string;

export class NetworkError extends Error {
  override readonly name = "NetworkError";
  /** True when the connection could not be opened: nothing was sent, so even a write may be tried elsewhere. */
  readonly notSent: boolean;
  /** True when an address could not be bound because somebody else has it. */
  readonly addressInUse: boolean;
  constructor(message?: string, options?: ErrorOptions & { notSent?: boolean; addressInUse?: boolean }) {
    super(message, options);
    this.notSent = options?.notSent ?? false;
    this.addressInUse = options?.addressInUse ?? false;
  }
}

/**
 * Length-prefixed frames, in order, each whole or not at all; everything may be lost when the connection closes.
 * Set `onFrame` and `onClose` in the same turn in which the connection was handed over.
 */
export interface FrameConnection {
  /** Null on the dialling side: the server's certificate is checked against its name, not read. */
  readonly peer: PeerIdentity | null;
  readonly remote: Address;
  onFrame: (frame: Uint8Array) => void;
  /** Called once, after the last frame; `error` is absent when either side closed on purpose. */
  onClose: (error?: Error) => void;
  /** Queues `frame`; frames sent in one turn leave in one write. Silently dropped after close. */
  send(frame: Uint8Array): void;
  /** Bytes queued and not yet taken by the kernel. The caller bounds it. */
  readonly bufferedBytes: number;
  close(): void;
}

export interface Listener {
  readonly address: Address;
  /** Stops accepting, closes what was accepted. */
  close(): Promise<void>;
}

export interface Frames {
  dial(
    address: Address,
    options: { tls?: TlsIdentity; serverName?: string; signal?: AbortSignal },
  ): Promise<FrameConnection>;
  /** With `tls`, clients must show a certificate signed by `tls.ca`. A unix socket is made with mode 0600. */
  listen(
    address: Address,
    options: { tls?: TlsIdentity },
    accept: (connection: FrameConnection) => void,
  ): Promise<Listener>;
}

/** A WebSocket, either end. Set the callbacks in the same turn in which the channel was handed over. */
export interface WebSocketChannel {
  /** The sub-protocol agreed on, or "". */
  readonly protocol: string;
  onMessage: (data: Uint8Array | string) => void;
  onClose: (code: number, reason: string) => void;
  send(data: Uint8Array | string): void;
  readonly bufferedBytes: number;
  close(code?: number, reason?: string): void;
}

export interface RequestContext {
  /** The verified client certificate, or null. */
  readonly peer: PeerIdentity | null;
  /** The verified certificate of a client of `proxyCa`, which is never `peer`; absent or null: it is none. */
  readonly proxyPeer?: PeerIdentity | null;
  /** IP address of the other end. */
  readonly remoteAddress: string;
  /** Answers the upgrade; return `response` from the handler at once. */
  upgradeWebSocket(request: Request, protocol: string): { response: Response; channel: WebSocketChannel };
  /**
   * Answers an upgrade to any protocol, 101 with these headers, and hands the bytes over; return `response` from the
   * handler at once. There only for the first request of a TLS connection, and only when that asks to be upgraded;
   * the simulator, whose connections carry messages, has none.
   */
  upgradeBytes?(headers: Headers): { response: Response; connection: ByteConnection };
}

/** A streamed body's `cancel()` is the only sign that the client has gone. */
export type HttpHandler = (request: Request, context: RequestContext) => Response | Promise<Response>;

export interface HttpServeOptions {
  readonly address: Address;
  /**
   * Absent: plain HTTP. `clientCertificates`: ask for one, verify against `ca` when shown (never required). `proxyCa`: a
   * second authority, whose clients are told apart from those of `ca`; the simulator knows none.
   */
  readonly tls?: TlsIdentity & { readonly clientCertificates: boolean; readonly proxyCa?: string };
  readonly handler: HttpHandler;
}

export interface HttpListener extends Listener {
  /** `https://127.0.0.1:6443`, without a trailing slash. */
  readonly url: string;
}

export interface UpgradeOptions {
  readonly method: string;
  readonly headers: Headers;
  readonly signal?: AbortSignal;
}

export interface UpgradeAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The bytes after a 101; null for every other status. */
  readonly connection: ByteConnection | null;
  /** What a refusal says: its first bytes. */
  readonly text: string;
}

/** One client serves any number of requests and watches at once: it opens further HTTP/2 connections as they fill up. */
export interface HttpClient {
  /** As the web's fetch, absolute URL. Rejects with {@linkcode NetworkError} when no response came. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
  webSocket(url: string, options: { protocols: string[]; headers?: Record<string, string> }): Promise<WebSocketChannel>;
  /**
   * Asks for another protocol on a connection of its own, with `Upgrade` among the headers. Resolves with the answer,
   * whatever it is; rejects with {@linkcode NetworkError} when none came. The simulator has none.
   */
  upgrade?(url: string, options: UpgradeOptions): Promise<UpgradeAnswer>;
  close(): void;
}

/** Whom to reach, and whom to trust, of a server that the cluster's users name. */
export interface HttpsTarget {
  readonly url: string;
  /** The roots to trust, PEM; absent: the system's. */
  readonly ca?: string;
  /** Where to connect, when not to the URL's host, whose certificate it must show all the same. */
  readonly via?: { readonly hostname: string; readonly port: number };
  readonly signal: AbortSignal;
}

/** One request to a webhook. */
export interface HttpsPost extends HttpsTarget {
  /** JSON. */
  readonly body: string;
  /** The trace that it is part of (W3C Trace Context); absent: none. */
  readonly traceparent?: string;
}

/** One request to an extension apiserver. */
export interface HttpsCall extends HttpsTarget {
  readonly method: string;
  /**
   * Lower-case names; one that comes twice is sent as two lines, which is not the same as one with a comma. Values are
   * bytes, a character each.
   */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array | null;
  /** Who the caller is, PEM. */
  readonly identity?: { readonly cert: string; readonly key: string };
  /** True: any certificate will do. */
  readonly insecure?: boolean;
}

/** One request to an extension apiserver that asks for another protocol, with `upgrade` among the headers. */
export type HttpsUpgrade = Omit<HttpsCall, "body">;

/** Resolves with whatever was answered; rejects with {@linkcode NetworkError} when nothing was. */
export type UpgradeHttps = (call: HttpsUpgrade) => Promise<UpgradeAnswer>;

/** As {@linkcode PostHttps}; the response's body streams, and cancelling it ends the connection. */
export type CallHttps = (call: HttpsCall) => Promise<Response>;

/** Resolves with whatever was answered; never follows a redirect. Rejects when no response came. */
export type PostHttps = (post: HttpsPost) => Promise<Response>;

export type { Ciphers } from "./ciphers.ts";
export type { CertificateRequest, Certificates, SignRequest } from "./x509.ts";

export interface Http {
  serve(options: HttpServeOptions): Promise<HttpListener>;
  /** @param options.tls client certificate and the CA to trust @param options.http2 offer h2 by ALPN (default true) */
  client(options: { tls?: Partial<TlsIdentity>; http2?: boolean }): HttpClient;
}

/** A byte stream (TCP), for the service proxy and the balancer. */
export interface ByteConnection {
  readonly remote: Address;
  /** Null at the end of the stream. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes all. */
  write(bytes: Uint8Array): Promise<void>;
  closeWrite(): Promise<void>;
  close(): void;
}

export interface Streams {
  dial(address: Address, options?: { signal?: AbortSignal }): Promise<ByteConnection>;
  /** @param options.reusePort several processes may share the address */
  listen(
    address: Address,
    options: { reusePort?: boolean },
    accept: (connection: ByteConnection) => void,
  ): Promise<Listener>;
}

/** One end of a datagram's way. */
export interface DatagramAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/** A bound UDP socket. */
export interface DatagramSocket {
  readonly address: DatagramAddress;
  /** Takes a copy. A datagram that is too long (65,507 bytes fit) or finds the queue full is dropped, as by a network. */
  send(datagram: Uint8Array, to: DatagramAddress): void;
  /** What was sent before may be lost. Nothing is received afterwards. */
  close(): Promise<void>;
}

/** UDP: each datagram arrives whole, or not at all; in any order. */
export interface Datagrams {
  /**
   * Port 0 asks for any. Nobody else can bind the address meanwhile: `NetworkError` with `addressInUse`.
   * @param receive gets each datagram, which it may keep, and who sent it
   */
  bind(
    address: DatagramAddress,
    receive: (datagram: Uint8Array, from: DatagramAddress) => void,
  ): Promise<DatagramSocket>;
}

export interface Network {
  readonly frames: Frames;
  readonly http: Http;
  readonly streams: Streams;
  readonly datagrams: Datagrams;
}

export interface SpawnOptions {
  readonly args: readonly string[];
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdin: "piped" | "null";
}

export interface ExitStatus {
  /** 128 + signal number when a signal ended it. */
  readonly code: number;
  readonly signal: string | null;
}

export interface ChildProcess {
  readonly pid: number;
  readonly stdin: WritableStream<Uint8Array> | null;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly exited: Promise<ExitStatus>;
  /** Signals the child's whole process group; a group that has gone is not an error. */
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGSTOP" | "SIGCONT"): void;
}

export interface Processes {
  /** The child gets a process group of its own. Throws {@linkcode ProcessError} when the program cannot be started. */
  spawn(program: string, options: SpawnOptions): ChildProcess;
}

export class ProcessError extends Error {
  override readonly name = "ProcessError";
  readonly kind: "notFound" | "permission" | "other";
  constructor(kind: "notFound" | "permission" | "other", message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with `fields` on every line. */
  with(fields: LogFields): Log;
}

export interface Counter {
  add(by?: number, labels?: Readonly<Record<string, string>>): void;
  /** The one series of these labels, for what is counted often. */
  with(labels: Readonly<Record<string, string>>): Pick<Counter, "add">;
}
export interface Gauge {
  set(value: number, labels?: Readonly<Record<string, string>>): void;
  /** The one series of these labels, for what is set often. */
  with(labels: Readonly<Record<string, string>>): Pick<Gauge, "set">;
  /** Forgets all series: for labels that name things which come and go. Those handed out by `with` are gone too. */
  clear(): void;
}
export interface Histogram {
  observe(value: number, labels?: Readonly<Record<string, string>>): void;
  /** The one series of these labels, for what is observed often. */
  with(labels: Readonly<Record<string, string>>): Pick<Histogram, "observe">;
}

/** Prometheus metrics. Asking twice for one name gives the same metric. */
export interface Metrics {
  counter(name: string, help: string): Counter;
  gauge(name: string, help: string): Gauge;
  /** A counter whose count is kept elsewhere and shown here. */
  counterView(name: string, help: string): Gauge;
  /** @param buckets upper bounds, ascending, without +Inf */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram;
  /** Calls `collect` before every `text()`: for what is read off something, and costs nothing until somebody asks. */
  onCollect(collect: () => void): void;
  /** Text exposition format 0.0.4; a metric that has no series yet is left out. */
  text(): string;
}

export interface Platform {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly processes: Processes;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** What every component's factory returns. */
export interface Component {
  /** Resolves when the component serves; rejects when it cannot start. */
  readonly ready: Promise<void>;
  /** Stops serving, releases everything it holds. Idempotent. */
  stop(): Promise<void>;
}
