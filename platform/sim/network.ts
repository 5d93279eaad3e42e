import { crc32c } from "../../base/crc32c.ts";
import { type Address, NetworkError, type PeerIdentity, type TlsIdentity } from "../mod.ts";
import { Arena } from "./arena.ts";
import { readSimCertificate } from "./identity.ts";
import type { Life, Machine } from "./life.ts";
import type { Links } from "./links.ts";
import { Pipe, type PipeWorld } from "./pipe.ts";
import type { Scheduler, TaskHandle } from "./scheduler.ts";

export interface ServerTls extends TlsIdentity {
  readonly clientCertificates: "none" | "ask" | "require";
}

export interface Registration {
  readonly life: Life;
  readonly kind: "frames" | "http" | "streams";
  readonly tls: ServerTls | null;
  readonly accept: (endpoint: Endpoint) => void;
}

export interface OpenOptions {
  readonly kind: Registration["kind"];
  /** Null: no TLS. */
  readonly tls: Partial<TlsIdentity> | null;
}

/** Closing in order follows what was sent before; this is its segment. */
const fin = Symbol("fin");

/** One end of a connection. Set the callbacks in the turn in which it was handed over. */
export class Endpoint {
  readonly life: Life;
  readonly peer: PeerIdentity | null;
  readonly remoteIp: string;
  onOpen: () => void = () => {};
  onMessage: (payload: unknown) => void = () => {};
  /** Once; not after this end closed or reset the connection itself. */
  onClose: (error?: NetworkError) => void = () => {};
  onDrained: () => void = () => {};
  readonly #early: { payload: unknown; bytes: number }[] = [];
  #out: Pipe | null = null;
  #in: Pipe | null = null;
  #closed = false;
  #pausedEarly = false;
  #dropLife: () => void;
  #scheduler: Scheduler;
  #other: Endpoint | null = null;
  #resetDelay: () => number | null = () => null;

  constructor(life: Life, scheduler: Scheduler, peer: PeerIdentity | null, remoteIp: string) {
    this.life = life;
    this.peer = peer;
    this.remoteIp = remoteIp;
    this.#scheduler = scheduler;
    this.#dropLife = life.onEnd((silent) => this.#ended(silent));
  }

  get closed(): boolean {
    return this.#closed;
  }

  get undeliveredBytes(): number {
    return this.#out?.undeliveredBytes ?? this.#early.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** @param resetDelay how long a reset takes to the other end; null when it gets lost */
  join(other: Endpoint, out: Pipe, incoming: Pipe, resetDelay: () => number | null): void {
    this.#other = other;
    this.#out = out;
    this.#in = incoming;
    this.#resetDelay = resetDelay;
    incoming.onDeliver = (payload) => this.#deliver(payload);
    out.onDrained = () => {
      if (!this.#closed) this.onDrained();
    };
    out.onBroken = (reason) => this.#broken(reason);
    if (this.#pausedEarly) incoming.pause();
    for (const { payload, bytes } of this.#early.splice(0)) out.send(payload, bytes);
  }

  send(payload: unknown, bytes: number): void {
    if (this.#closed || !this.life.alive) return;
    if (this.#out === null) this.#early.push({ payload, bytes });
    else this.#out.send(payload, bytes);
  }

  pause(): void {
    if (this.#in === null) this.#pausedEarly = true;
    else this.#in.pause();
  }

  resume(): void {
    this.#pausedEarly = false;
    this.#in?.resume();
  }

  /** Ends the connection after what was sent. */
  close(): void {
    if (this.#closed) return;
    this.send(fin, 0);
    if (this.#out === null) return this.reset();
    this.#release();
    this.#in?.close();
  }

  /** Ends the connection now; what is under way is lost, and the other end sees an error. */
  reset(): void {
    if (this.#closed) return;
    this.#release();
    this.#out?.close();
    this.#in?.close();
    this.#resetOther("connection reset by peer");
  }

  /** The connection could not be made. */
  fail(error: NetworkError): void {
    if (this.#closed) return;
    this.#release();
    this.onClose(error);
  }

  #release(): void {
    this.#closed = true;
    this.#early.length = 0;
    this.#dropLife();
  }

  #deliver(payload: unknown): void {
    if (this.#closed) return;
    if (payload !== fin) return this.onMessage(payload);
    this.#release();
    this.#out?.close();
    this.onClose();
  }

  #broken(reason: string): void {
    this.#in?.close();
    this.#resetOther(reason);
    // Closed already: the segment that met the reset was the goodbye.
    if (this.#closed) return;
    this.#release();
    this.life.schedule(0, "broken", () => this.onClose(new NetworkError(`Connection lost: ${reason}`)));
  }

  #resetOther(reason: string): void {
    const other = this.#other;
    const delayMs = this.#resetDelay();
    if (other === null || delayMs === null) return;
    this.#scheduler.schedule(delayMs, "reset", () => other.#receiveReset(reason));
  }

  #receiveReset(reason: string): void {
    if (this.#closed || !this.life.alive) return;
    this.#release();
    this.#out?.close();
    this.#in?.close();
    this.onClose(new NetworkError(`Connection lost: ${reason}`));
  }

  #ended(silent: boolean): void {
    this.#closed = true;
    this.#out?.close();
    if (!silent) this.#resetOther("the peer's process ended");
  }
}

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly links: Links;
  readonly dialTimeoutMs: number;
  readonly stallTimeoutMs: number;
}

/** Every listener of the world by address, and the making of connections. */
export class SimNetwork {
  /** For what is on its way. */
  readonly arena = new Arena();
  readonly #options: NetworkOptions;
  readonly #pipes: PipeWorld;
  readonly #listeners = new Map<Address, Registration>();
  /** Who listened there last: to tell a machine that refuses from a machine that is gone. */
  readonly #owners = new Map<Address, Machine>();
  #nextPort = 30_000;

  constructor(options: NetworkOptions) {
    this.#options = options;
    const { scheduler, links, stallTimeoutMs } = options;
    this.#pipes = { scheduler, links, stallTimeoutMs, parked: new Set() };
  }

  /** Registers and returns the address with its port filled in. */
  listen(address: Address, registration: Registration): { address: Address; close: () => void } {
    const at = address.replace(/^(tcp:.*):0$/, (_, host: string) => `${host}:${this.#nextPort++}`);
    const known = this.#listeners.get(at);
    if (known !== undefined && known.life.alive) throw new NetworkError(`Address in use: ${at}`);
    this.#listeners.set(at, registration);
    this.#owners.set(at, registration.life.machine);
    const close = (): void => {
      if (this.#listeners.get(at) === registration) this.#listeners.delete(at);
    };
    registration.life.onEnd(close);
    return { address: at, close };
  }

  /** Makes `bytes` part of the trace: two runs that send different content are told apart. */
  traceBytes(bytes: Uint8Array): void {
    this.#options.scheduler.trace.addNumber(crc32c(bytes));
  }

  /** Arms every pipe that a partition held. */
  unpark(): void {
    const held = [...this.#pipes.parked];
    this.#pipes.parked.clear();
    for (const pipe of held) pipe.arm();
  }

  /** Dials. What is sent before the answer travels right behind the greeting; failure comes as `onClose`. */
  open(life: Life, address: Address, options: OpenOptions): Endpoint {
    const { scheduler, links, dialTimeoutMs } = this.#options;
    const owner = this.#owners.get(address) ?? null;
    const endpoint = new Endpoint(life, scheduler, null, owner?.ip ?? "");
    const from = life.machine.name;
    const to = owner?.name ?? from;
    const timeout = life.schedule(dialTimeoutMs, "dial timeout", () => {
      endpoint.fail(new NetworkError(`Cannot dial ${address}: timed out`, { notSent: true }));
    });
    const clogMs = Math.max(links.cloggedUntil(from, to), owner?.stalledUntilMs ?? 0) - scheduler.nowMs;
    scheduler.schedule(Math.max(links.delay(from, to), clogMs), "dial", () => {
      if (endpoint.closed || !life.alive) return;
      if (owner !== null && (links.blocked(from, to) || (owner.life === null && !owner.answering))) return;
      this.#arrive(endpoint, address, options, timeout);
    });
    return endpoint;
  }

  #arrive(endpoint: Endpoint, address: Address, options: OpenOptions, timeout: TaskHandle): void {
    const { scheduler, links } = this.#options;
    const target = this.#listeners.get(address);
    const back = (run: () => void): void => {
      const from = target?.life.machine.name ?? this.#owners.get(address)?.name ?? endpoint.life.machine.name;
      const to = endpoint.life.machine.name;
      if (links.blocked(from, to)) return; // the answer gets lost, the dial times out
      scheduler.schedule(links.delay(from, to), "dial answer", () => {
        timeout.cancel();
        if (endpoint.life.alive) run();
      });
    };
    const refuse = (why: string): void =>
      back(() => endpoint.fail(new NetworkError(`Cannot dial ${address}: ${why}`, { notSent: true })));
    if (target === undefined || !target.life.alive) return refuse("connection refused");
    if (target.kind !== options.kind) return refuse(`it speaks ${target.kind}, not ${options.kind}`);
    const verdict = handshake(target.tls, options.tls);
    if ("refusal" in verdict) return refuse(verdict.refusal);
    this.#connect(endpoint, target, verdict.peer);
    back(() => {
      if (!endpoint.closed) endpoint.onOpen();
    });
  }

  #connect(dialler: Endpoint, target: Registration, peer: PeerIdentity | null): void {
    const { scheduler, links } = this.#options;
    const accepted = new Endpoint(target.life, scheduler, peer, dialler.life.machine.ip);
    const there = new Pipe(this.#pipes, dialler.life, target.life);
    const back = new Pipe(this.#pipes, target.life, dialler.life);
    function resetDelay(from: Life, to: Life): () => number | null {
      const [a, b] = [from.machine.name, to.machine.name];
      return () => links.blocked(a, b) ? null : links.delay(a, b);
    }
    accepted.join(dialler, back, there, resetDelay(target.life, dialler.life));
    target.accept(accepted);
    dialler.join(accepted, there, back, resetDelay(dialler.life, target.life));
  }
}

/** TLS between simulated certificates: both sides trust by the name of the authority. */
function handshake(
  server: ServerTls | null,
  client: Partial<TlsIdentity> | null,
): { peer: PeerIdentity | null } | { refusal: string } {
  if (server === null) return client === null ? { peer: null } : { refusal: "the server speaks no TLS" };
  if (client === null) return { refusal: "the server speaks TLS only" };
  const shown = readSimCertificate(server.cert);
  if (shown === null) return { refusal: "the server's certificate is not of the simulated world" };
  if (shown.ca !== client.ca) return { refusal: "the server's certificate is signed by an unknown authority" };
  const offered = client.cert === undefined ? null : readSimCertificate(client.cert);
  const peer = server.clientCertificates !== "none" && offered?.ca === server.ca ? offered.peer : null;
  if (server.clientCertificates === "require" && peer === null) return { refusal: "a client certificate is required" };
  return { peer };
}
