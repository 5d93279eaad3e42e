import { connect, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { closeFlushMs, lingerMs, maxBackDials, portQuarantineMs } from "../limits.ts";
import type { PeerIdentity, TlsIdentity } from "../mod.ts";
import { listenTls, peerOf } from "./tls_server.ts";

/** Who stands behind one back connection. */
export interface Caller {
  readonly peer: PeerIdentity | null;
  readonly remoteAddress: string;
}

export interface Front {
  readonly port: number;
  /** The caller whose bytes arrive from `sourcePort`; undefined for a connection that the front did not make. */
  callerOf(sourcePort: number): Caller | undefined;
  /** Stops accepting; what is open stays open. */
  stopAccepting(): void;
  /** Ends every connection. */
  destroy(): void;
}

export interface FrontOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsIdentity;
  readonly clientCertificates: boolean;
  /** The plain server on 127.0.0.1. */
  readonly backPort: number;
}

/**
 * Ends TLS with node:tls and pipes the bytes to a plain Deno.serve in the same process: node:http2 aborts the process
 * under load, and Deno.serve neither asks for client certificates nor sets TCP_NODELAY under TLS.
 *
 * The back server learns who is calling by the back connection's source port. Invariant: a port stands for at most one
 * caller, from before its first byte until its connection has ended, and for nobody else for a while after that.
 */
class TlsFront {
  readonly #options: FrontOptions;
  readonly #callers = new Map<number, Caller>();
  /** Ports whose connection has ended, and when, oldest first. */
  readonly #quarantine = new Map<number, number>();
  readonly #sockets = new Set<Socket>();

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  callerOf(sourcePort: number): Caller | undefined {
    return this.#callers.get(sourcePort);
  }

  destroy(): void {
    for (const socket of [...this.#sockets]) socket.destroy();
  }

  accept(socket: TLSSocket): void {
    this.#track(socket);
    this.#dialBack(socket, maxBackDials);
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #quarantined(port: number): boolean {
    const now = performance.now();
    for (const [old, endedAt] of this.#quarantine) {
      if (now - endedAt < portQuarantineMs) break;
      this.#quarantine.delete(old);
    }
    return this.#quarantine.has(port) || this.#callers.has(port);
  }

  #dialBack(socket: TLSSocket, triesLeft: number): void {
    const back = connect({ port: this.#options.backPort, host: "127.0.0.1", allowHalfOpen: true });
    this.#track(back);
    const onEarlyClose = (): void => void back.destroy();
    socket.once("close", onEarlyClose);
    back.once("error", () => socket.destroy());
    back.once("connect", () => {
      const port = back.localPort;
      if (port === undefined || socket.destroyed) return void (back.destroy(), socket.destroy());
      if (this.#quarantined(port)) {
        socket.off("close", onEarlyClose);
        // Dialled before this one is dropped, or the kernel may well hand out the same port again.
        if (triesLeft > 0) this.#dialBack(socket, triesLeft - 1);
        else socket.destroy();
        return void back.destroy();
      }
      this.#join(socket, back, port);
    });
  }

  #join(socket: TLSSocket, back: Socket, port: number): void {
    back.setNoDelay(true);
    const remoteAddress = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    const peer = this.#options.clientCertificates ? peerOf(socket) : null;
    this.#callers.set(port, { peer, remoteAddress });
    back.once("close", () => {
      this.#callers.delete(port);
      this.#quarantine.set(port, performance.now());
      // What the server said last is still on its way to the client; a client that does not read gets no longer.
      if (socket.destroyed) return;
      const deadline = setTimeout(() => socket.destroy(), closeFlushMs);
      socket.once("close", () => clearTimeout(deadline));
      socket.end(() => setTimeout(() => socket.destroy(), lingerMs));
    });
    socket.pipe(back);
    back.pipe(socket);
  }
}

export async function openFront(options: FrontOptions): Promise<Front> {
  const front = new TlsFront(options);
  const server = await listenTls({
    host: options.host,
    port: options.port,
    tls: options.tls,
    clientCertificates: options.clientCertificates ? "ask" : "none",
    alpn: ["h2", "http/1.1"],
    onConnection: (socket) => front.accept(socket),
  });
  return {
    port: server.port,
    callerOf: (sourcePort) => front.callerOf(sourcePort),
    stopAccepting: () => server.close(),
    destroy: () => front.destroy(),
  };
}
