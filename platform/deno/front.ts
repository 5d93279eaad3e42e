import { connect, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { lingerMs, maxBackDials, slowReaderMs, sourceQuarantineMs } from "../limits.ts";
import type { PeerIdentity, TlsIdentity } from "../mod.ts";
import { type Identified, identifyBy } from "./authorities.ts";
import { RequestTimes, type Time } from "./request_times.ts";
import { type FlowControl, listenTls, peerOf, takeFlowControl } from "./tls_server.ts";
import { type Beginning, readBeginning } from "./upgraded.ts";

/** Who stands behind one back connection. */
export interface Caller {
  readonly peer: PeerIdentity | null;
  readonly proxyPeer: PeerIdentity | null;
  readonly remoteAddress: string;
}

/** What the front knows of one back connection. */
export interface Behind {
  readonly caller: Caller;
  readonly times: RequestTimes;
}

export interface Front {
  readonly port: number;
  /** Whose bytes arrive from there; undefined for a connection that the front did not make. */
  behind(sourceHost: string, sourcePort: number): Behind | undefined;
  /** Stops accepting; what is open stays open. */
  stopAccepting(): void;
  /** Ends every connection; resolves when all have gone. */
  destroy(): Promise<void>;
}

export interface FrontOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsIdentity;
  readonly clientCertificates: boolean;
  /** A second authority, whose clients are `proxyPeer`. */
  readonly proxyCa?: string;
  /** The plain server on 127.0.0.1, for HTTP/1.1. */
  readonly backPort: number;
  readonly time: Time;
  /** Takes a connection whose first request asks to be upgraded; the front keeps none of it but its end. */
  readonly onUpgrade: (socket: TLSSocket, flow: FlowControl, begun: Upgrading, caller: Caller) => void;
  /** Serves a connection on which HTTP/2 was agreed; the result takes no more requests when told so. */
  readonly serveHttp2: (socket: TLSSocket, caller: Caller) => { drain(): void };
}

/** One connection of HTTP/1.1. */
interface Client {
  readonly socket: TLSSocket;
  readonly flow: FlowControl;
  readonly times: RequestTimes;
}

export type Upgrading = Beginning & { readonly upgrade: NonNullable<Beginning["upgrade"]> };

/**
 * Any address of 127/8 will do to dial from on Linux. One of 2^24 at random: another local process cannot have placed a
 * request in the back server's queue that comes, as it seems, from the connection that we are about to make.
 */
function sourceHost(): string {
  if (Deno.build.os !== "linux") return "127.0.0.1";
  const [a, b, c] = crypto.getRandomValues(new Uint8Array(3));
  return `127.${a}.${b}.${Math.min(254, Math.max(1, c ?? 1))}`;
}

/**
 * Ends TLS with node:tls. HTTP/2 is then served on the socket itself. The bytes of HTTP/1.1 are piped to a plain
 * Deno.serve in the same process: Deno.serve neither asks for client certificates nor sets TCP_NODELAY under TLS.
 *
 * The back server learns who is calling by where the back connection comes from. Invariant: a source (address and port)
 * stands for at most one caller, from before its first byte until its connection has ended, and for nobody else for a
 * while after that.
 */
class TlsFront {
  readonly #options: FrontOptions;
  readonly #identify: (socket: TLSSocket) => Identified;
  readonly #behind = new Map<string, Behind>();
  /** Sources whose connection has ended, and when, oldest first. */
  readonly #quarantine = new Map<string, number>();
  readonly #sockets = new Set<Socket>();
  readonly #http2 = new Set<{ drain(): void }>();
  #closed = false;

  constructor(options: FrontOptions) {
    this.#options = options;
    const { clientCertificates, proxyCa, tls } = options;
    if (!clientCertificates) this.#identify = () => ({ peer: null, proxyPeer: null });
    else if (proxyCa === undefined) this.#identify = (socket) => ({ peer: peerOf(socket), proxyPeer: null });
    else this.#identify = identifyBy(tls.ca, proxyCa);
  }

  behind(host: string, port: number): Behind | undefined {
    return this.#behind.get(`${host}:${port}`);
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    const closed = [...this.#sockets].map((socket) =>
      new Promise<void>((resolve) => void socket.once("close", resolve))
    );
    for (const socket of [...this.#sockets]) socket.destroy();
    await Promise.all(closed);
  }

  accept(socket: TLSSocket): void {
    if (this.#closed) return void socket.destroy(); // its handshake was under way
    this.#track(socket);
    const flow = takeFlowControl(socket);
    if (socket.alpnProtocol === "h2") {
      const served = this.#options.serveHttp2(socket, this.#callerBehind(socket));
      this.#http2.add(served);
      return void socket.on("close", () => this.#http2.delete(served));
    }
    flow.stop();
    const times = new RequestTimes(this.#options.time, () => socket.destroy());
    socket.once("close", () => times.release());
    void readBeginning(socket, flow).then((begun) => {
      if (begun === null || socket.destroyed) return void socket.destroy();
      if (begun.upgrade === null) return this.#dialBack({ socket, flow, times }, maxBackDials, begun.bytes);
      times.release();
      this.#options.onUpgrade(socket, flow, { ...begun, upgrade: begun.upgrade }, this.#callerBehind(socket));
    });
  }

  #callerBehind(socket: TLSSocket): Caller {
    const remoteAddress = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    return { ...this.#identify(socket), remoteAddress };
  }

  /** Tells HTTP/2 clients to go elsewhere; what they have asked for is still answered. */
  drain(): void {
    for (const served of this.#http2) served.drain();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #quarantined(source: string): boolean {
    const now = performance.now();
    for (const [old, endedAt] of this.#quarantine) {
      if (now - endedAt < sourceQuarantineMs) break;
      this.#quarantine.delete(old);
    }
    return this.#quarantine.has(source) || this.#behind.has(source);
  }

  #dialBack(client: Client, triesLeft: number, begun: Uint8Array): void {
    const { socket } = client;
    const localAddress = sourceHost();
    const back = connect({ port: this.#options.backPort, host: "127.0.0.1", localAddress, allowHalfOpen: true });
    this.#track(back);
    const onEarlyClose = (): void => void back.destroy();
    socket.once("close", onEarlyClose);
    back.on("error", () => socket.destroy());
    back.once("connect", () => {
      const port = back.localPort;
      if (port === undefined || socket.destroyed) return void (back.destroy(), socket.destroy());
      const source = `${localAddress}:${port}`;
      if (this.#quarantined(source)) {
        socket.off("close", onEarlyClose);
        // Dialled before this one is dropped, or the kernel may well hand out the same source again.
        if (triesLeft > 0) this.#dialBack(client, triesLeft - 1, begun);
        else socket.destroy();
        return void back.destroy();
      }
      this.#join(client, back, source, begun);
    });
  }

  #join(client: Client, back: Socket, source: string, begun: Uint8Array): void {
    const { socket, times } = client;
    back.setNoDelay(true);
    this.#behind.set(source, { caller: this.#callerBehind(socket), times });
    back.once("close", () => {
      this.#behind.delete(source);
      this.#quarantine.set(source, performance.now());
      // What the server said last is still on its way to the client; a client that does not read gets no longer.
      if (socket.destroyed) return;
      let deadline = setTimeout(() => socket.destroy(), slowReaderMs);
      socket.once("close", () => clearTimeout(deadline));
      socket.end(() => {
        clearTimeout(deadline);
        if (!socket.destroyed) deadline = setTimeout(() => socket.destroy(), lingerMs);
      });
    });
    if (begun.length > 0) back.write(begun);
    pump(client, back);
    back.on("data", () => times.sent());
    back.pipe(socket);
  }
}

/** As `socket.pipe(back)`, which would neither hold the client back nor always see it go: {@linkcode takeFlowControl}. */
function pump({ socket, flow, times }: Client, back: Socket): void {
  socket.on("data", (chunk: Uint8Array) => {
    times.received();
    if (!back.write(chunk)) flow.stop();
  });
  back.on("drain", () => flow.start());
  socket.on("end", () => back.end());
  flow.start();
}

export async function openFront(options: FrontOptions): Promise<Front> {
  const front = new TlsFront(options);
  const server = await listenTls({
    host: options.host,
    port: options.port,
    tls: options.proxyCa === undefined
      ? options.tls
      : { ...options.tls, ca: `${options.tls.ca.trimEnd()}\n${options.proxyCa}` },
    clientCertificates: options.clientCertificates ? "ask" : "none",
    alpn: ["h2", "http/1.1"],
    onConnection: (socket) => front.accept(socket),
  });
  return {
    port: server.port,
    behind: (host, port) => front.behind(host, port),
    stopAccepting: () => {
      server.close();
      front.drain();
    },
    destroy: () => front.destroy(),
  };
}
