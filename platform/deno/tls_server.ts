import { createServer, type TLSSocket } from "node:tls";
import { handshakeTimeoutMs } from "../limits.ts";
import { NetworkError, type PeerIdentity, type TlsIdentity } from "../mod.ts";

/** node:tls, because Deno's own TLS server cannot ask for client certificates (denoland/deno#26825). */
export interface TlsServerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsIdentity;
  /** `require` refuses a handshake without a certificate that `tls.ca` signed; `ask` lets it pass, unauthenticated. */
  readonly clientCertificates: "none" | "ask" | "require";
  readonly alpn?: readonly string[];
  readonly onConnection: (socket: TLSSocket) => void;
}

export interface TlsServer {
  readonly host: string;
  readonly port: number;
  /** Stops accepting. */
  close(): void;
}

function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/**
 * The verified client certificate's subject, or null. A subject is readable even when verification failed, so
 * `authorized` decides first.
 */
export function peerOf(socket: TLSSocket): PeerIdentity | null {
  if (socket.authorized !== true) return null;
  const subject: unknown = socket.getPeerCertificate()?.subject;
  if (typeof subject !== "object" || subject === null) return null;
  const commonName = "CN" in subject ? texts(subject.CN)[0] : undefined;
  if (commonName === undefined) return null;
  return { commonName, organizations: "O" in subject ? texts(subject.O) : [] };
}

/** Stops and restarts the delivery of a socket's data. */
export interface FlowControl {
  stop(): void;
  start(): void;
}

interface Handle {
  readStart(): void;
  readStop(): void;
}

/** The TCP socket's own handle below the TLS socket's; null where this Deno keeps it elsewhere. */
function tcpHandle(socket: TLSSocket): Handle | null {
  const parent: unknown = Reflect.get(socket, "_parent");
  const handle: unknown = typeof parent === "object" && parent !== null ? Reflect.get(parent, "_handle") : null;
  if (typeof handle !== "object" || handle === null) return null;
  const [start, stop] = [Reflect.get(handle, "readStart"), Reflect.get(handle, "readStop")];
  if (typeof start !== "function" || typeof stop !== "function") return null;
  return { readStart: () => void start.call(handle), readStop: () => void stop.call(handle) };
}

/**
 * Deno 2.9.6's TLS sockets do not hold a sender back: a paused one goes on reading and decrypting into memory without
 * a bound, and if the stream ends meanwhile, `end` and `close` may never come. So the TLS stream is never let to pause
 * by itself (no limit to its buffer), and whoever takes the data stops the TCP socket below it, which does hold back.
 * Call it in the turn in which the socket came.
 */
export function takeFlowControl(socket: TLSSocket): FlowControl {
  const state: unknown = Reflect.get(socket, "_readableState");
  const handle = tcpHandle(socket);
  if (handle === null || typeof state !== "object" || state === null) {
    return { stop: () => void socket.pause(), start: () => void socket.resume() };
  }
  Reflect.set(state, "highWaterMark", Infinity);
  return {
    stop: () => handle.readStop(),
    start() {
      if (!socket.destroyed) handle.readStart();
    },
  };
}

export function listenTls(options: TlsServerOptions): Promise<TlsServer> {
  const server = createServer({
    key: options.tls.key,
    cert: options.tls.cert,
    ca: options.tls.ca,
    requestCert: options.clientCertificates !== "none",
    rejectUnauthorized: options.clientCertificates === "require",
    ALPNProtocols: [...(options.alpn ?? [])],
    allowHalfOpen: true,
    handshakeTimeout: handshakeTimeoutMs,
  }, (socket: TLSSocket) => {
    socket.on("error", () => socket.destroy());
    if (options.clientCertificates === "require" && socket.authorized !== true) return void socket.destroy();
    socket.setNoDelay(true);
    options.onConnection(socket);
  });
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());
  return new Promise((resolve, reject) => {
    function onError(error: Error): void {
      reject(new NetworkError(`Cannot listen on ${options.host}:${options.port}: ${error.message}`, { cause: error }));
    }
    server.once("error", onError);
    server.listen(options.port, options.host, () => {
      server.off("error", onError);
      server.on("error", () => {});
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : options.port;
      resolve({ host: options.host, port, close: () => void server.close() });
    });
  });
}
