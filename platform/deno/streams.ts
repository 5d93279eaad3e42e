import { parseAddress, tcpAddress } from "../address.ts";
import { type Address, type ByteConnection, type Listener, NetworkError, type Streams } from "../mod.ts";

function remoteOf(address: Deno.Addr): Address {
  return address.transport === "tcp" ? tcpAddress(address.hostname, address.port) : "unix:";
}

/** All of `bytes`: one write may take fewer. */
export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
}

export function byteConnection(conn: Deno.Conn, onClose?: () => void): ByteConnection {
  let closed = false;
  return {
    remote: remoteOf(conn.remoteAddr),
    async read(into) {
      try {
        return await conn.read(into);
      } catch (error) {
        if (closed) return null;
        throw new NetworkError(`Cannot read: ${String(error)}`, { cause: error });
      }
    },
    async write(bytes) {
      try {
        await writeAll(conn, bytes);
      } catch (error) {
        throw new NetworkError(`Cannot write: ${String(error)}`, { cause: error });
      }
    },
    async closeWrite() {
      try {
        await conn.closeWrite();
      } catch (error) {
        throw new NetworkError(`Cannot close for writing: ${String(error)}`, { cause: error });
      }
    },
    close() {
      if (closed) return;
      closed = true;
      conn.close();
      onClose?.();
    },
  };
}

/** `reusePort` without `--unstable-net` ends the whole process instead of throwing, so it is asked for only behind it. */
function reusePortAvailable(): boolean {
  return typeof Reflect.get(Deno, "listenDatagram") === "function";
}

function openListener(address: Address, reusePort: boolean): Deno.Listener {
  const at = parseAddress(address);
  if (reusePort && !reusePortAvailable()) throw new NetworkError("reusePort needs deno run --unstable-net");
  try {
    if (at.kind === "unix") return Deno.listen({ transport: "unix", path: at.path });
    const options = { hostname: at.host, port: at.port };
    const shared: Deno.TcpListenOptions & { reusePort: boolean } = { ...options, reusePort: true };
    return Deno.listen(reusePort ? shared : options);
  } catch (error) {
    throw new NetworkError(`Cannot listen on ${address}: ${String(error)}`, { cause: error });
  }
}

async function dial(address: Address, signal?: AbortSignal): Promise<Deno.Conn> {
  const at = parseAddress(address);
  try {
    if (at.kind === "unix") return await Deno.connect({ transport: "unix", path: at.path });
    const options = { hostname: at.host, port: at.port };
    const conn = await Deno.connect(signal === undefined ? options : { ...options, signal });
    conn.setNoDelay(true);
    return conn;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new NetworkError(`Cannot dial ${address}: ${String(error)}`, { cause: error, notSent: true });
  }
}

/** Byte streams over Deno's own sockets: node:net costs a third of the throughput and of the connection rate. */
export function createStreams(): Streams {
  return {
    async dial(address, options) {
      if (options?.signal?.aborted) throw options.signal.reason;
      const conn = await dial(address, options?.signal);
      if (!options?.signal?.aborted) return byteConnection(conn);
      conn.close();
      throw options.signal.reason;
    },
    async listen(address, options, accept): Promise<Listener> {
      const listener = openListener(address, options.reusePort ?? false);
      const open = new Set<ByteConnection>();
      let closing = false;
      async function acceptAll(): Promise<void> {
        while (!closing) {
          let conn: Deno.Conn;
          try {
            conn = await listener.accept();
          } catch {
            // ECONNABORTED and EMFILE pass; without a pause EMFILE would spin.
            if (!closing) await new Promise((resolve) => setTimeout(resolve, 5));
            continue;
          }
          if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
          const connection = byteConnection(conn, () => open.delete(connection));
          open.add(connection);
          accept(connection);
        }
      }
      const accepting = acceptAll();
      return {
        address: remoteOf(listener.addr) === "unix:" ? address : remoteOf(listener.addr),
        async close() {
          if (closing) return;
          closing = true;
          listener.close();
          for (const connection of [...open]) connection.close();
          await accepting;
        },
      };
    },
  };
}
