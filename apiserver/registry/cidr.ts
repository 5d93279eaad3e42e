import { invariant } from "../../base/assert.ts";

/** An IPv4 range. Addresses are unsigned 32-bit numbers. */
export interface Cidr {
  readonly text: string;
  readonly first: number;
  readonly size: number;
}

export function parseIpv4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatIpv4(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".");
}

export function parseCidr(text: string): Cidr {
  const [address = "", length = ""] = text.split("/");
  const base = parseIpv4(address);
  const bits = Number(length);
  invariant(base !== undefined && /^\d+$/.test(length) && bits >= 8 && bits <= 30, `not an IPv4 range: ${text}`);
  const size = 2 ** (32 - bits);
  return { text, first: base - (base % size), size };
}

/** The n-th address; 0 is the network's own, which is never given out. */
export function addressAt(cidr: Cidr, n: number): string {
  return formatIpv4(cidr.first + n);
}

export function contains(cidr: Cidr, address: string): boolean {
  const value = parseIpv4(address);
  // Neither the network's nor the broadcast address.
  return value !== undefined && value > cidr.first && value < cidr.first + cidr.size - 1;
}

/**
 * Where addresses that nobody asked for by number come from: the upper part, so that the lower stays free for those who
 * do ask (KEP-3070: the lower min(max(16, size/16), 256) are kept).
 */
export function dynamicStart(cidr: Cidr): number {
  if (cidr.size <= 16) return 1;
  return Math.min(Math.max(16, Math.floor(cidr.size / 16)), 256) + 1;
}
