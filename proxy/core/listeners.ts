import type { RouteTable } from "./table.ts";

/** An address to be listened on, and which route it leads to. */
export interface Binding {
  readonly ip: string;
  readonly port: number;
  /** Into the route table. */
  readonly route: string;
  readonly external: boolean;
}

/** One protocol's addresses of all routes by `ip:port`. A node port that two services claim is the first one's. */
export function bindingsOf(
  table: RouteTable,
  nodeAddress: string | null,
  wanted: "TCP" | "UDP",
): Map<string, Binding> {
  const bindings = new Map<string, Binding>();
  for (const [route, { protocol, clusterIP, port, nodePort }] of table) {
    if (protocol !== wanted) continue;
    bindings.set(`${clusterIP}:${port}`, { ip: clusterIP, port, route, external: false });
    if (nodePort === 0 || nodeAddress === null) continue;
    const key = `${nodeAddress}:${nodePort}`;
    if (!bindings.has(key)) bindings.set(key, { ip: nodeAddress, port: nodePort, route, external: true });
  }
  return bindings;
}
