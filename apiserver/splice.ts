import type { ByteConnection } from "../platform/mod.ts";
import { limits } from "./limits.ts";

/** Passes bytes both ways, at the pace of whoever is slower, until one side ends; then both have. */
export async function splice(a: ByteConnection, b: ByteConnection): Promise<void> {
  const copy = async (from: ByteConnection, to: ByteConnection) => {
    const buffer = new Uint8Array(limits.spliceBytes);
    try {
      for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
        await to.write(buffer.slice(0, n));
      }
    } catch {
      // A broken connection has ended.
    }
  };
  await Promise.race([copy(a, b), copy(b, a)]);
  a.close();
  b.close();
}
