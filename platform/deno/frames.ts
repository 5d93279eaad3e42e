import { parseAddress, tcpAddress } from "../address.ts";
import {
  type Address,
  type FrameConnection,
  type Frames,
  type Listener,
  NetworkError,
  type TlsIdentity,
} from "../mod.ts";
import { WireFrameConnection } from "./frame_connection.ts";
import { denoWire, nodeWire, type Wire } from "./wire.ts";

interface DialOptions {
  readonly tls?: TlsIdentity;
  readonly serverName?: string;
  readonly signal?: AbortSignal;
}

/** Dialling and listening alike: nothing has been sent yet. */
function networkError(doing: string, error: unknown): NetworkError {
  if (error instanceof NetworkError && error.notSent) return error;
  return new NetworkError(`Cannot ${doing}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}

async function dialTcp(host: string, port: number, tls: TlsIdentity | undefined): Promise<Wire> {
  if (tls === undefined) {
    const conn = await Deno.connect({ hostname: host, port });
    conn.setNoDelay(true);
    return denoWire(conn);
  }
  const conn = await Deno.connectTls({ hostname: host, port, caCerts: [tls.ca], cert: tls.cert, key: tls.key });
  try {
    await conn.handshake();
    return denoWire(conn);
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** Deno.connectTls checks the certificate against the name it dials; another name needs node:tls, loaded only then. */
async function dialTlsNamed(host: string, port: number, tls: TlsIdentity, serverName: string): Promise<Wire> {
  const { connect } = await import("node:tls");
  const { takeFlowControl } = await import("./tls_server.ts");
  return await new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername: serverName, ca: tls.ca, cert: tls.cert, key: tls.key });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      socket.on("error", () => socket.destroy());
      socket.setNoDelay(true);
      if (socket.authorized === true) {
        takeFlowControl(socket);
        return resolve(nodeWire(socket));
      }
      socket.destroy();
      reject(new NetworkError(`The certificate does not prove ${serverName}: ${String(socket.authorizationError)}`));
    });
  });
}

async function dialWire(address: Address, options: DialOptions): Promise<Wire> {
  const at = parseAddress(address);
  if (at.kind === "unix") return denoWire(await Deno.connect({ transport: "unix", path: at.path }));
  const { tls, serverName } = options;
  if (tls !== undefined && serverName !== undefined && serverName !== at.host) {
    return await dialTlsNamed(at.host, at.port, tls, serverName);
  }
  return await dialTcp(at.host, at.port, tls);
}

/** Rejects at once when the signal aborts; a wire that comes later is destroyed. */
async function dial(address: Address, options: DialOptions): Promise<FrameConnection> {
  const { signal } = options;
  if (signal?.aborted) throw signal.reason;
  let aborted = false;
  let onAbort = (): void => {};
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => {
      aborted = true;
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  const wire = dialWire(address, options).then((wire) => {
    if (aborted) wire.destroy();
    return wire;
  });
  try {
    return new WireFrameConnection(await Promise.race([wire, abort]), { peer: null, remote: address });
  } catch (error) {
    wire.catch(() => {}); // it lost the race; its failure has no reader
    throw aborted ? signal?.reason : networkError(`dial ${address}`, error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** A socket file that nobody listens on is left over from a process that was killed. */
async function listenUnix(path: string): Promise<Deno.UnixListener> {
  function listen(): Deno.UnixListener {
    const before = Deno.umask(0o177); // synchronous, so that no other file is made meanwhile; mode 0600 from the start
    try {
      return Deno.listen({ transport: "unix", path });
    } finally {
      Deno.umask(before);
    }
  }
  try {
    return listen();
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    const other = await Deno.connect({ transport: "unix", path }).catch(() => null);
    if (other !== null) {
      other.close();
      throw error;
    }
    await Deno.remove(path).catch(() => {});
    return listen();
  }
}

/** What has been accepted and is still open, so that closing the listener closes it. */
class Accepted {
  readonly #open = new Set<FrameConnection>();

  add(wire: Wire, remote: Address, peer: FrameConnection["peer"], accept: (c: FrameConnection) => void): void {
    const connection = new WireFrameConnection(wire, { peer, remote, onClosed: () => this.#open.delete(connection) });
    this.#open.add(connection);
    accept(connection);
  }

  closeAll(): void {
    for (const connection of [...this.#open]) connection.close();
  }
}

/** Takes connections until the listener is closed. ECONNABORTED and EMFILE pass; the pause keeps EMFILE from spinning. */
async function acceptAll(
  listener: Deno.Listener,
  take: (conn: Deno.Conn) => void,
  closed: () => boolean,
): Promise<void> {
  while (!closed()) {
    let conn: Deno.Conn;
    try {
      conn = await listener.accept();
    } catch {
      if (!closed()) await new Promise((resolve) => setTimeout(resolve, 5));
      continue;
    }
    take(conn);
  }
}

async function listenPlain(address: Address, accept: (connection: FrameConnection) => void): Promise<Listener> {
  const at = parseAddress(address);
  const listener: Deno.Listener = at.kind === "unix"
    ? await listenUnix(at.path)
    : Deno.listen({ hostname: at.host, port: at.port });
  const accepted = new Accepted();
  let closed = false;
  const accepting = acceptAll(listener, (conn) => {
    if (at.kind === "unix") return accepted.add(denoWire(conn), address, null, accept);
    (conn as Deno.TcpConn).setNoDelay(true); // a TCP listener accepts TCP connections
    const remote = conn.remoteAddr as Deno.NetAddr;
    accepted.add(denoWire(conn), tcpAddress(remote.hostname, remote.port), null, accept);
  }, () => closed);
  return {
    address: at.kind === "unix" ? address : tcpAddress(at.host, (listener.addr as Deno.NetAddr).port),
    async close() {
      if (closed) return;
      closed = true;
      listener.close();
      accepted.closeAll();
      if (at.kind === "unix") await Deno.remove(at.path).catch(() => {});
      await accepting;
    },
  };
}

async function listenWithTls(
  address: Address,
  tls: TlsIdentity,
  accept: (connection: FrameConnection) => void,
): Promise<Listener> {
  const at = parseAddress(address);
  if (at.kind === "unix") throw new NetworkError("A unix socket takes no TLS: its mode is its guard");
  const { listenTls, peerOf, takeFlowControl } = await import("./tls_server.ts");
  const accepted = new Accepted();
  let closed = false;
  const server = await listenTls({
    host: at.host,
    port: at.port,
    tls,
    clientCertificates: "require",
    onConnection(socket) {
      if (closed) return void socket.destroy(); // its handshake was under way
      takeFlowControl(socket);
      const remote = tcpAddress(socket.remoteAddress ?? "", socket.remotePort ?? 0);
      accepted.add(nodeWire(socket), remote, peerOf(socket), accept);
    },
  });
  return {
    address: tcpAddress(at.host, server.port),
    async close() {
      closed = true;
      server.close();
      accepted.closeAll();
    },
  };
}

/**
 * Frames over unix sockets, TCP with mutual TLS, or plain TCP where no TLS identity is given (tests, one trusted host).
 * A dialled connection's `peer` is null: that the server holds a certificate for the dialled name is checked, its
 * subject is not read. With TLS 1.3 a server that refuses the client's certificate shows as a closed connection.
 */
export function createFrames(): Frames {
  return {
    dial,
    async listen(address, options, accept) {
      try {
        if (options.tls !== undefined) return await listenWithTls(address, options.tls, accept);
        return await listenPlain(address, accept);
      } catch (error) {
        throw networkError(`listen on ${address}`, error);
      }
    },
  };
}
