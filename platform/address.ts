import { type Address, NetworkError } from "./mod.ts";

export type ParsedAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** Throws {@linkcode NetworkError} for anything but `unix:/path`, `tcp:host:port` and `tcp:[v6]:port`. */
export function parseAddress(address: Address): ParsedAddress {
  if (address.startsWith("unix:") && address.length > 5) return { kind: "unix", path: address.slice(5) };
  const match = /^tcp:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || !(port <= 65_535)) throw new NetworkError(`Not an address: ${address}`);
  return { kind: "tcp", host, port };
}

/** The host as a URL wants it: IPv6 in brackets. */
export function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

export function tcpAddress(host: string, port: number): Address {
  return `tcp:${urlHost(host)}:${port}`;
}
