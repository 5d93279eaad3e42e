import type { TLSSocket } from "node:tls";
import { concatBytes, fromUtf8 } from "../../base/bytes.ts";
import { maxUnreadUpgradedBytes, maxUpgradeHeadBytes } from "../limits.ts";
import { type ByteConnection, type HttpHandler, NetworkError, type WebSocketChannel } from "../mod.ts";
import { acceptKey, opcodes, ServerWebSocket } from "../websocket/mod.ts";
import type { Caller } from "./front.ts";
import { asksForUpgrade, encodeHead, headLength, type HttpHead, parseHead } from "./http_head.ts";
import type { FlowControl } from "./tls_server.ts";

/** What a connection begins with: all of it, and the head where that asks to be upgraded. */
export interface Beginning {
  readonly bytes: Uint8Array;
  readonly upgrade: HttpHead | null;
}

/**
 * Waits for the first request's head. Resolves early, with no upgrade, for a head that is too long: the server behind
 * knows what to say. Null: the connection has ended. The socket is stopped when it resolves.
 */
export function readBeginning(socket: TLSSocket, flow: FlowControl): Promise<Beginning | null> {
  return new Promise((resolve) => {
    let bytes: Uint8Array = new Uint8Array(0);
    function done(upgrade: HttpHead | null, ended = false): void {
      socket.off("data", onData);
      socket.off("end", onEnd);
      socket.off("close", onEnd);
      flow.stop();
      resolve(ended ? null : { bytes, upgrade });
    }
    function onEnd(): void {
      done(null, true);
    }
    function onData(chunk: Uint8Array): void {
      bytes = concatBytes([bytes, chunk]);
      const length = headLength(bytes);
      if (length === null) {
        if (bytes.length > maxUpgradeHeadBytes) done(null);
        return;
      }
      const head = parseHead(bytes.subarray(0, length));
      done(head !== null && asksForUpgrade(head) ? head : null);
    }
    socket.on("data", onData);
    socket.once("end", onEnd);
    socket.once("close", onEnd);
    flow.start();
  });
}

/** A TLS socket as a byte stream that holds its sender back. `early` has been read already. */
export class TlsBytes implements ByteConnection {
  readonly remote: string;
  readonly #socket: TLSSocket;
  readonly #flow: FlowControl;
  readonly #chunks: Uint8Array[];
  #unread: number;
  #ended = false;
  #wake: () => void = () => {};

  constructor(socket: TLSSocket, flow: FlowControl, early: Uint8Array) {
    this.#socket = socket;
    this.#flow = flow;
    this.remote = `tcp:${socket.remoteAddress ?? ""}:${socket.remotePort ?? 0}`;
    this.#chunks = early.length === 0 ? [] : [early];
    this.#unread = early.length;
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#unread += chunk.length;
      if (this.#unread > maxUnreadUpgradedBytes) flow.stop();
      this.#wake();
    });
    const onEnd = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.once("end", onEnd);
    socket.once("close", onEnd);
    flow.start();
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0) {
      if (this.#ended) return null;
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    }
    const chunk = this.#chunks[0] as Uint8Array;
    const count = Math.min(chunk.length, into.length);
    into.set(chunk.subarray(0, count));
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    this.#unread -= count;
    if (this.#unread <= maxUnreadUpgradedBytes) this.#flow.start();
    return count;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(new NetworkError(`Cannot write: ${error.message}`, { cause: error }));
      if (this.#socket.destroyed) return failed(new Error("the connection is closed"));
      // A destroyed socket does not call back for what it had not written.
      const onClose = () => failed(new Error("the connection closed"));
      this.#socket.once("close", onClose);
      this.#socket.write(bytes, (error?: Error | null) => {
        this.#socket.off("close", onClose);
        if (error) failed(error);
        else resolve();
      });
    });
  }

  closeWrite(): Promise<void> {
    this.#socket.end();
    return Promise.resolve();
  }

  close(): void {
    this.#socket.destroySoon();
  }
}

/**
 * Answers one request that asks to be upgraded. Deno.serve cannot: it answers upgrades that are no WebSocket by itself,
 * and reads a WebSocket faster than its messages are taken.
 */
export async function serveUpgrade(
  socket: TLSSocket,
  flow: FlowControl,
  begun: { readonly bytes: Uint8Array; readonly upgrade: HttpHead },
  caller: Caller,
  handler: HttpHandler,
): Promise<void> {
  const { first: [method, path], headers, lines } = begun.upgrade;
  const early = begun.bytes.subarray(headLength(begun.bytes) ?? 0);
  const connection = new TlsBytes(socket, flow, early);
  let upgraded: Response | null = null;
  const upgradeBytes = (answer: Headers) => {
    upgraded = new Response(null);
    connection.write(encodeHead("HTTP/1.1 101 Switching Protocols", answer)).catch(() => connection.close());
    return { response: upgraded, connection };
  };
  const host = headers.get("host") ?? "localhost";
  const url = URL.canParse(`http://${host}${path}`) ? `http://${host}${path}` : `http://localhost${path}`;
  const response = await handler(new Request(url, { method, headers: [...lines] }), {
    ...caller,
    upgradeWebSocket: (request, protocol) => {
      const { response } = upgradeBytes(webSocketAnswer(request, protocol));
      return { response, channel: channelOver(new ServerWebSocket(connection), protocol) };
    },
    upgradeBytes,
  });
  if (response === upgraded) return;
  await respond(connection, response);
}

function webSocketAnswer(request: Request, protocol: string): Headers {
  const headers = new Headers({ upgrade: "websocket", connection: "Upgrade" });
  headers.set("sec-websocket-accept", acceptKey(request.headers.get("sec-websocket-key") ?? ""));
  if (protocol !== "") headers.set("sec-websocket-protocol", protocol);
  return headers;
}

/** For handlers that take a WebSocket as the web has it: messages are pushed, from the turn after this one. */
function channelOver(socket: ServerWebSocket, protocol: string): WebSocketChannel {
  let bufferedBytes = 0;
  const channel: WebSocketChannel = {
    protocol,
    onMessage: () => {},
    onClose: () => {},
    get bufferedBytes() {
      return bufferedBytes;
    },
    send(data) {
      bufferedBytes += data.length;
      void socket.send(data).finally(() => void (bufferedBytes -= data.length));
    },
    close: (code, reason) => void socket.close(code, reason),
  };
  async function run(): Promise<void> {
    for (let message = await socket.read(); message !== null; message = await socket.read()) {
      channel.onMessage(message.opcode === opcodes.text ? fromUtf8(message.data) : message.data);
    }
    channel.onClose(socket.ending.code, socket.ending.reason);
  }
  queueMicrotask(() => void run());
  return channel;
}

/** A refusal, or an answer to a request that only looked like an upgrade. The end of the connection ends its body. */
async function respond(connection: ByteConnection, response: Response): Promise<void> {
  try {
    const headers = new Headers(response.headers);
    headers.set("connection", "close");
    headers.delete("content-length");
    await connection.write(encodeHead(`HTTP/1.1 ${response.status} ${response.statusText}`, headers));
    if (response.body !== null) { for await (const chunk of response.body) await connection.write(chunk); }
  } catch {
    // The client has gone; leaving the loop has cancelled the body.
  }
  connection.close();
}
