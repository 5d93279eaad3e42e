import type { Socket } from "node:dgram";
import { maxDatagramBytes, maxQueuedDatagrams } from "../limits.ts";
import { type DatagramAddress, type Datagrams, type DatagramSocket, NetworkError } from "../mod.ts";

/** An error's code, as node puts it: EADDRINUSE. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function socketOf(socket: Socket): DatagramSocket {
  const { address, port } = socket.address();
  let queued = 0;
  let closed: Promise<void> | null = null;
  return {
    address: { host: address, port },
    send(datagram, to) {
      if (closed !== null || queued >= maxQueuedDatagrams || datagram.length > maxDatagramBytes) return;
      queued++;
      // Whatever goes wrong on the way is a loss, which is UDP's to have.
      socket.send(datagram.slice(), to.port, to.host, () => void queued--);
    },
    close() {
      closed ??= new Promise((resolve) => socket.close(() => resolve()));
      return closed;
    },
  };
}

/** UDP by node:dgram: `Deno.listenDatagram` is behind --unstable-net. Its module is loaded when it is first needed. */
export function createDatagrams(): Datagrams {
  return {
    async bind(address: DatagramAddress, receive): Promise<DatagramSocket> {
      const { createSocket } = await import("node:dgram");
      const socket = createSocket(address.host.includes(":") ? "udp6" : "udp4");
      await new Promise<void>((resolve, reject) => {
        socket.once("error", (error: Error) => {
          const addressInUse = codeOf(error) === "EADDRINUSE";
          const where = `${address.host}:${address.port}`;
          reject(new NetworkError(`Cannot bind UDP ${where}: ${error.message}`, { cause: error, addressInUse }));
          socket.close();
        });
        socket.bind(address.port, address.host, resolve);
      });
      socket.removeAllListeners("error");
      // An ICMP answer to an earlier datagram comes as an error of the socket, which goes on.
      socket.on("error", () => {});
      socket.on("message", (datagram, from) => receive(datagram, { host: from.address, port: from.port }));
      return socketOf(socket);
    },
  };
}
