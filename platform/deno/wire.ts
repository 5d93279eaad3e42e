import type { Socket } from "node:net";
import { readBufferBytes } from "../limits.ts";

/** A connected byte pipe below a frame connection: Deno's own socket, or node's where client certificates are asked for. */
export interface Wire {
  /** Begins delivery. `onEnd` comes once: without an error at the end of the stream. */
  start(onData: (chunk: Uint8Array) => void, onEnd: (error?: Error) => void): void;
  /** Resolves when the kernel has taken all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Idempotent. */
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
  return {
    start: (onData, onEnd) => void readAll(onData).then(onEnd),
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
    },
    destroy() {
      if (destroyed) return;
      destroyed = true;
      conn.close();
    },
  };
}

/** Only types of node:net are used here, so that a process with unix sockets alone does not load it. */
export function nodeWire(socket: Socket): Wire {
  return {
    start(onData, onEnd) {
      let failure: Error | undefined;
      let ended = false;
      function end(): void {
        if (ended) return;
        ended = true;
        onEnd(failure);
      }
      socket.on("error", (error: Error) => void (failure = error));
      socket.on("end", end);
      socket.on("close", end);
      socket.on("data", (chunk: Uint8Array) => {
        try {
          onData(chunk);
        } catch (error) {
          failure = asError(error);
          socket.destroy();
          end();
        }
      });
    },
    write(bytes) {
      return new Promise((resolve, reject) => {
        socket.write(bytes, (error?: Error | null) => error ? reject(error) : resolve());
      });
    },
    destroy: () => void socket.destroy(),
  };
}
