import { concatBytes, utf8 } from "../../base/bytes.ts";
import type { ByteConnection, Streams } from "../../platform/mod.ts";
import { type SpdyCarrier, SpdyConnection, type SpdyStream } from "../../platform/spdy/mod.ts";
import type { ServerWebSocket } from "../../platform/websocket/mod.ts";
import * as limits from "../limits.ts";

/** Over SPDY; in a WebSocket under this name (KEP-4006). */
export const portForwardProtocol = "portforward.k8s.io";
export const tunnelProtocol = "SPDY/3.1+portforward.k8s.io";

/** The pod that ports are forwarded to. */
export interface ForwardTarget {
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
  readonly streams: Streams;
}

/** One end of a forwarded connection: the client's. */
interface Lane {
  read(): Promise<Uint8Array | null>;
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

/** Passes bytes on between the client and a port of the pod. @returns what went wrong, in words; "" for nothing */
async function forward(target: ForwardTarget, port: number, lane: Lane): Promise<string> {
  let connection: ByteConnection;
  try {
    connection = await target.streams.dial(`tcp:${target.ip}:${port}`);
  } catch (error) {
    return `error forwarding port ${port} to pod ${target.name}, uid ${target.uid}: failed to connect to ` +
      `${target.ip}:${port}: ${reasonOf(error)}`;
  }
  const sending = copyToPod(lane, connection);
  const buffer = new Uint8Array(limits.streamReadBytes);
  try {
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
      await lane.write(buffer.slice(0, n));
    }
  } catch {
    // A reset by the pod ends the connection as its end does.
  }
  await lane.end();
  connection.close();
  await sending;
  return "";
}

async function copyToPod(lane: Lane, connection: ByteConnection): Promise<void> {
  try {
    for (let data = await lane.read(); data !== null; data = await lane.read()) await connection.write(data);
    await connection.closeWrite();
  } catch {
    // The pod has hung up; the other direction sees that.
  }
}

function reasonOf(error: unknown): string {
  return /refused/i.test(String(error)) ? "connection refused" : error instanceof Error ? error.message : String(error);
}

/** For each connection the client opens a stream for errors and one for data, of one `requestid`. */
export async function forwardOverSpdy(carrier: SpdyCarrier, target: ForwardTarget): Promise<void> {
  const waiting = new Map<string, { error?: SpdyStream; data?: SpdyStream }>();
  const connection = new SpdyConnection(carrier, (stream) => {
    const port = portOf(stream.headers.get("port"));
    const type = stream.headers.get("streamtype");
    if (port === null || (type !== "error" && type !== "data")) return false;
    // Clients without ids open the error stream right before the data stream.
    const id = stream.headers.get("requestid") ?? String(type === "error" ? stream.id : stream.id - 2);
    const pair = waiting.get(id) ?? {};
    if (pair[type] !== undefined) return false;
    pair[type] = stream;
    waiting.set(id, pair);
    const { error, data } = pair;
    if (error === undefined || data === undefined) return true;
    waiting.delete(id);
    void serve(target, port, error, data);
    return true;
  });
  await connection.run();
}

async function serve(target: ForwardTarget, port: number, error: SpdyStream, data: SpdyStream): Promise<void> {
  const problem = await forward(target, port, data);
  if (problem !== "") {
    await error.write(utf8(problem));
    await data.end();
  }
  await error.end();
}

function portOf(text: string | null | undefined): number | null {
  const port = Number(text);
  return text !== null && text !== undefined && /^\d{1,5}$/.test(text) && port > 0 && port < 65_536 ? port : null;
}

/** Null for a list that is empty, too long, or holds no port. */
export function portsOf(texts: readonly string[]): number[] | null {
  const ports = texts.flatMap((text) => text.split(",")).map(portOf);
  if (ports.length === 0 || ports.length > limits.maxForwardedPorts) return null;
  return ports.every((port) => port !== null) ? ports : null;
}

/**
 * The older way: one connection to each of the ports that the URL names, data on channel 2i, errors on 2i + 1, each
 * begun by the port in two bytes.
 * @see kubernetes pkg/kubelet/cri/streaming/portforward/websocket.go
 */
export async function forwardOverChannels(
  socket: ServerWebSocket,
  ports: readonly number[],
  base64: boolean,
  target: ForwardTarget,
): Promise<void> {
  const send = async (channel: number, data: Uint8Array) => {
    if (base64) await socket.send(`${channel}${data.toBase64()}`);
    else await socket.send(concatBytes([Uint8Array.of(channel), data]));
  };
  const inboxes = ports.map(() => new Inbox());
  const running = ports.map(async (port, i) => {
    const announced = Uint8Array.of(port & 255, port >> 8);
    await send(2 * i, announced);
    await send(2 * i + 1, announced);
    const problem = await forward(target, port, {
      read: () => inboxes[i]?.read() ?? Promise.resolve(null),
      write: (data) => send(2 * i, data),
      end: () => Promise.resolve(),
    });
    if (problem !== "") await send(2 * i + 1, utf8(problem));
  });
  void Promise.all(running).then(() => socket.close());
  for (let message = await socket.read(); message !== null; message = await socket.read()) {
    const channel = base64 ? (message.data[0] ?? 48) - 48 : message.data[0] ?? 0;
    const data = base64 ? decodeBase64(message.data.subarray(1)) : message.data.subarray(1);
    if (channel % 2 === 0 && data.length > 0) await inboxes[channel / 2]?.put(data);
  }
  for (const inbox of inboxes) inbox.end();
  await Promise.all(running);
}

function decodeBase64(text: Uint8Array): Uint8Array {
  try {
    return Uint8Array.fromBase64(new TextDecoder().decode(text));
  } catch {
    return new Uint8Array(0);
  }
}

/** One message at a time: whoever puts the next waits until the last has been read. */
class Inbox {
  #data: Uint8Array | null = null;
  #ended = false;
  #changed: () => void = () => {};
  #taken: () => void = () => {};

  async put(data: Uint8Array): Promise<void> {
    while (this.#data !== null && !this.#ended) await new Promise<void>((resolve) => void (this.#taken = resolve));
    this.#data = data;
    this.#changed();
  }

  end(): void {
    this.#ended = true;
    this.#changed();
    this.#taken();
  }

  async read(): Promise<Uint8Array | null> {
    while (this.#data === null && !this.#ended) await new Promise<void>((resolve) => void (this.#changed = resolve));
    const data = this.#data;
    this.#data = null;
    this.#taken();
    return data;
  }
}
