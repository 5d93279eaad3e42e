import { parseAddress, tcpAddress } from "../address.ts";
import { type Field, Http2Connection, type Http2Stream } from "../http2/mod.ts";
import { closeFlushMs, drainMs, maxHttp2Connections } from "../limits.ts";
import { type Address, type Listener, NetworkError, type PeerIdentity, type TlsIdentity } from "../mod.ts";
import { denoWire, nodeWire, type Wire } from "./wire.ts";

export interface Http2ServeOptions {
  readonly address: Address;
  /** Absent: without TLS (h2c by prior knowledge), for tests. Clients must show a certificate signed by `tls.ca`. */
  readonly tls?: TlsIdentity;
  readonly onStream: (
    stream: Http2Stream,
    fields: readonly Field[],
    ended: boolean,
    peer: PeerIdentity | null,
  ) => void;
}

/** Joins a connection to its wire. A wire that does not take the last bytes in time is destroyed. */
function join(
  wire: Wire,
  options:
    & { role: "server" | "client" }
    & Pick<ConstructorParameters<typeof Http2Connection>[0], "onStream" | "onClose" | "onGoAway">,
): Http2Connection {
  let deadline: ReturnType<typeof setTimeout> | undefined;
  const connection = new Http2Connection({
    ...options,
    write: (bytes) => wire.write(bytes),
    end: () => wire.close(),
    now: () => performance.now(),
    onClose(error) {
      deadline = setTimeout(() => wire.destroy(), closeFlushMs);
      options.onClose?.(error);
    },
  });
  wire.start((chunk) => connection.receive(chunk), (error) => {
    connection.ended(error);
    clearTimeout(deadline);
    wire.destroy();
  });
  return connection;
}

/** HTTP/2 with our own protocol code: node:http2 as a server aborts the process (docs/adr/0017-own-http2-for-grpc.md). */
export async function serveHttp2(options: Http2ServeOptions): Promise<Listener> {
  const at = parseAddress(options.address);
  if (at.kind === "unix") throw new NetworkError("HTTP/2 is served on TCP");
  const connections = new Set<Http2Connection>();
  let closed = false;

  function accept(wire: Wire, peer: PeerIdentity | null): void {
    if (closed || connections.size >= maxHttp2Connections) return wire.destroy();
    const connection: Http2Connection = join(wire, {
      role: "server",
      onStream: (stream, fields, ended) => options.onStream(stream, fields, ended, peer),
      onClose: () => connections.delete(connection),
    });
    connections.add(connection);
  }

  async function closeConnections(): Promise<void> {
    for (const connection of connections) connection.drain();
    const deadline = performance.now() + drainMs;
    while (connections.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const connection of [...connections]) connection.close();
  }

  if (options.tls !== undefined) {
    const { listenTls, peerOf, takeFlowControl } = await import("./tls_server.ts");
    const server = await listenTls({
      host: at.host,
      port: at.port,
      tls: options.tls,
      clientCertificates: "require",
      alpn: ["h2"],
      onConnection(socket) {
        takeFlowControl(socket);
        accept(nodeWire(socket), peerOf(socket));
      },
    });
    return {
      address: tcpAddress(at.host, server.port),
      async close() {
        closed = true;
        server.close();
        await closeConnections();
      },
    };
  }
  const listener = listenPlain(at.host, at.port);
  const accepting = (async () => {
    for await (const conn of listener) {
      conn.setNoDelay(true);
      accept(denoWire(conn), null);
    }
  })();
  return {
    address: tcpAddress(at.host, listener.addr.port),
    async close() {
      closed = true;
      listener.close();
      await accepting;
      await closeConnections();
    },
  };
}

function listenPlain(hostname: string, port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port });
  } catch (error) {
    throw new NetworkError(`Cannot listen on ${hostname}:${port}: ${String(error)}`, { cause: error });
  }
}

/** A client's connection. @throws NetworkError */
export async function dialHttp2(
  address: Address,
  options: {
    readonly tls?: Partial<TlsIdentity>;
    readonly onClose?: (error: Error | null) => void;
    readonly onGoAway?: () => void;
  },
): Promise<Http2Connection> {
  const at = parseAddress(address);
  if (at.kind === "unix") throw new NetworkError("HTTP/2 is spoken over TCP");
  try {
    const conn = options.tls === undefined
      ? await dialPlain(at.host, at.port)
      : await dialTls(at.host, at.port, options.tls);
    const { onClose, onGoAway } = options;
    return join(denoWire(conn), {
      role: "client",
      ...(onClose === undefined ? {} : { onClose }),
      ...(onGoAway === undefined ? {} : { onGoAway }),
    });
  } catch (error) {
    throw new NetworkError(`Cannot dial ${address}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
      notSent: true,
    });
  }
}

async function dialPlain(hostname: string, port: number): Promise<Deno.Conn> {
  const conn = await Deno.connect({ hostname, port });
  conn.setNoDelay(true);
  return conn;
}

async function dialTls(hostname: string, port: number, tls: Partial<TlsIdentity>): Promise<Deno.TlsConn> {
  const conn = await Deno.connectTls({
    hostname,
    port,
    alpnProtocols: ["h2"],
    ...(tls.ca === undefined ? {} : { caCerts: [tls.ca] }),
    ...(tls.cert === undefined || tls.key === undefined ? {} : { cert: tls.cert, key: tls.key }),
  });
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}
