import { utf8 } from "../../base/bytes.ts";

/** A number as etcd's tools print it, in 16 hex digits, and as this store names the members of a real etcd. */
export function hexOf(id: bigint): string {
  return id.toString(16).padStart(16, "0");
}

/** etcd knows clusters and members by 64-bit numbers, this store by names: FNV-1a of the name; 16 hex digits are themselves. */
export function numberOf(name: string): bigint {
  if (name === "") return 0n;
  if (/^[0-9a-f]{16}$/.test(name)) return BigInt(`0x${name}`);
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of utf8(name)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash;
}
