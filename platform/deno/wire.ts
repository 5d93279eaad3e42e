import type { TLSSocket } from "node:tls";
import { readBufferBytes } from "../limits.ts";
import { writeAll } from "./streams.ts";

/** A connected byte pipe below a frame connection: Deno's own socket, or node's where client certificates are asked for. */
export interface Wire {
  /** Begins delivery. `onEnd` comes once: without an error at the end of the stream. */
  start(onData: (chunk: Uint8Array) => void, onEnd: (error?: Error) => void): void;
  /** Resolves when the kernel has taken all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Says goodbye and ends; what was written has been taken. Idempotent. */
  close(): void;
  /** Ends at once. Idempotent. */
  destroy(): void;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

export function denoWire(conn: Deno.Conn): Wire {
  let destroyed = false;
  async function readAll(onData: (chunk: Uint8Array) => void): Promise<Error | undefined> {
    const buffer = new Uint8Array(readBufferBytes);
    try {
      while (!destroyed) {
        const count = await conn.read(buffer);
        if (count === null) return undefined;
        onData(buffer.subarray(0, count));
      }
      return undefined;
    } catch (error) {
      return destroyed ? undefined : asError(error);
    }
  }
  function destroy(): void {
    if (destroyed) return;
    destroyed = true;
    conn.close();
  }
  return {
    start: (onData, onEnd) => void readAll(onData).then(onEnd),
    write: (bytes) => writeAll(conn, bytes),
    close: destroy,
    destroy,
  };
}

/**
 * A node:tls socket. Data flow from the first turn on and wait here for `start`, because the socket's own waiting loses
 * the end of the stream (see tls_server.ts). Only types of node:tls are used: a process without TLS does not load it.
 */
export function nodeWire(socket: TLSSocket): Wire {
  let early: Uint8Array[] = [];
  let deliver = (chunk: Uint8Array): void => void early.push(chunk);
  let ended = false;
  let failure: Error | undefined;
  let onEnded = (): void => {};
  function end(): void {
    if (ended) return;
    ended = true;
    onEnded();
  }
  socket.on("error", (error: Error) => void (failure = error));
  socket.on("end", end);
  socket.on("close", end);
  // Not as node's Buffer, whose slice() is a view.
  socket.on("data", (chunk: Uint8Array) => deliver(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)));
  return {
    start(onData, onEnd) {
      onEnded = () => onEnd(failure);
      deliver = (chunk) => {
        if (ended) return;
        try {
          onData(chunk);
        } catch (error) {
          failure = asError(error);
          socket.destroy();
          end();
        }
      };
      const chunks = early;
      early = [];
      const endedEarly = ended;
      ended = false;
      for (const chunk of chunks) deliver(chunk);
      if (endedEarly) end();
    },
    write(bytes) {
      return new Promise((resolve, reject) => {
        socket.write(bytes, (error?: Error | null) => error ? reject(error) : resolve());
      });
    },
    close: () => void socket.destroySoon(),
    destroy: () => void socket.destroy(),
  };
}
