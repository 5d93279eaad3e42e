import type { ByteConnection } from "../../platform/mod.ts";

/** Copies one direction to its end, then says so to the other side. Rejects when either side breaks. */
async function copy(from: ByteConnection, to: ByteConnection, bufferBytes: number): Promise<number> {
  const buffer = new Uint8Array(bufferBytes);
  let total = 0;
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) break;
    await to.write(buffer.subarray(0, count));
    total += count;
  }
  await to.closeWrite();
  return total;
}

/**
 * Joins two connections until both directions have ended. One end may finish sending and still receive. A broken
 * direction closes both.
 * @returns bytes in each direction
 */
export async function splice(
  client: ByteConnection,
  backend: ByteConnection,
  bufferBytes: number,
): Promise<{ sent: number; received: number }> {
  function closeBoth(error: unknown): never {
    client.close();
    backend.close();
    throw error;
  }
  const [sent, received] = await Promise.allSettled([
    copy(client, backend, bufferBytes).catch(closeBoth),
    copy(backend, client, bufferBytes).catch(closeBoth),
  ]);
  client.close();
  backend.close();
  return {
    sent: sent.status === "fulfilled" ? sent.value : 0,
    received: received.status === "fulfilled" ? received.value : 0,
  };
}
