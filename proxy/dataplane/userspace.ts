import { parseAddress, tcpAddress } from "../../platform/address.ts";
import type {
  ByteConnection,
  Clock,
  Counter,
  Listener,
  Log,
  Metrics,
  Random,
  Streams,
  Timer,
  Timers,
} from "../../platform/mod.ts";
import { type AffinityMap, choose, createAffinityMap, endpointKey } from "../core/choose.ts";
import { type Binding, bindingsOf } from "../core/listeners.ts";
import type { Endpoint, Route, RouteTable } from "../core/table.ts";
import * as limits from "../limits.ts";
import { splice } from "./splice.ts";

export interface DataplaneDeps {
  readonly streams: Streams;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface Dataplane {
  /** Takes the table's place at once. Resolves when all its addresses are listened on, or have been found impossible. */
  apply(table: RouteTable): Promise<void>;
  /** Ports that answer elsewhere: `ip:port` to the port. */
  readonly mapped: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

interface Bound {
  binding: Binding;
  readonly listener: Listener;
}

/**
 * TCP by userspace: every proxy of the cluster listens on each ClusterIP:port (SO_REUSEPORT: the kernel spreads the
 * connections), picks an endpoint and copies bytes. A new table concerns new connections; those that are open keep theirs.
 * @param nodeAddress where node ports are served; null: nowhere
 */
export function createUserspaceDataplane(nodeAddress: string | null, deps: DataplaneDeps): Dataplane {
  return new Userspace(nodeAddress, deps);
}

class Userspace implements Dataplane {
  readonly mapped = new Map<string, number>();
  readonly #nodeAddress: string | null;
  readonly #deps: DataplaneDeps;
  readonly #affinity: AffinityMap = createAffinityMap(limits.maxAffinityEntries);
  readonly #bound = new Map<string, Bound>();
  readonly #open = new Set<ByteConnection>();
  readonly #connections: Counter;
  #table: RouteTable = new Map();
  #applying: Promise<void> = Promise.resolve();
  #retry: Timer | null = null;
  #stopped = false;

  constructor(nodeAddress: string | null, deps: DataplaneDeps) {
    this.#nodeAddress = nodeAddress;
    this.#deps = deps;
    this.#connections = deps.metrics.counter("sauropod_proxy_connections_total", "Service connections by outcome.");
  }

  apply(table: RouteTable): Promise<void> {
    this.#table = table;
    const applied = this.#applying.then(() => this.#listen());
    this.#applying = applied;
    return applied;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    await this.#applying;
    for (const { listener } of this.#bound.values()) await listener.close();
    this.#bound.clear();
    for (const connection of this.#open) connection.close();
  }

  /** Opens what is missing, closes what nobody wants any more. */
  async #listen(): Promise<void> {
    if (this.#stopped) return;
    const wanted = bindingsOf(this.#table, this.#nodeAddress, "TCP");
    for (const [key, bound] of [...this.#bound]) {
      const binding = wanted.get(key);
      if (binding !== undefined) {
        bound.binding = binding;
        continue;
      }
      this.#bound.delete(key);
      this.mapped.delete(key);
      await bound.listener.close();
    }
    let failed = false;
    for (const [key, binding] of wanted) {
      if (this.#stopped || this.#bound.has(key)) continue;
      const bound = await this.#bind(key, binding);
      if (bound === null) failed = true;
      else this.#bound.set(key, bound);
    }
    if (!failed || this.#stopped) return;
    this.#retry?.cancel();
    this.#retry = this.#deps.timers.schedule(limits.bindRetryMs, () => void this.apply(this.#table));
  }

  async #bind(key: string, binding: Binding): Promise<Bound | null> {
    const { log } = this.#deps;
    const { ip, port, route } = binding;
    const ports = port < 1024 ? [port, port + limits.lowPortOffset] : [port];
    let reason: unknown;
    for (const each of ports) {
      try {
        const listener = await this.#deps.streams.listen(tcpAddress(ip, each), { reusePort: true }, (connection) => {
          const bound = this.#bound.get(key);
          if (bound === undefined) return connection.close();
          void this.#serve(connection, bound.binding);
        });
        if (each !== port) {
          this.mapped.set(key, each);
          log.info("a port below 1024 cannot be bound here and answers elsewhere", {
            service: route,
            ip,
            port,
            at: each,
          });
        }
        return { binding, listener };
      } catch (error) {
        reason = error;
      }
    }
    log.warn("cannot listen for a service", { service: route, ip, port, error: String(reason) });
    return null;
  }

  async #serve(client: ByteConnection, binding: Binding): Promise<void> {
    const route = this.#table.get(binding.route);
    if (route === undefined || this.#open.size >= limits.maxConnections) return client.close();
    this.#open.add(client);
    try {
      const backend = await this.#dial(route, binding, hostOf(client.remote));
      if (backend === null) {
        this.#connections.add(1, { outcome: "no_endpoint" });
        return;
      }
      if (this.#stopped) return backend.close();
      this.#open.add(backend);
      this.#connections.add(1, { outcome: "connected" });
      try {
        await splice(client, backend, limits.spliceBufferBytes);
      } finally {
        this.#open.delete(backend);
      }
    } finally {
      this.#open.delete(client);
      client.close();
    }
  }

  /** An endpoint that does not take the connection is passed over for another; nothing has been sent to it. */
  async #dial(route: Route, binding: Binding, clientIP: string): Promise<ByteConnection | null> {
    const { clock, random, timers, streams, log } = this.#deps;
    const endpoints = (binding.external ? route.externalLocal : route.internalLocal) ?? route.endpoints;
    const tried = new Set<string>();
    for (let i = 0; i < limits.maxDialTries && !this.#stopped; i++) {
      const endpoint: Endpoint | null = choose(
        { route, endpoints, clientIP, tried },
        this.#affinity,
        random.next(),
        clock.monotonic(),
      );
      if (endpoint === null) return null;
      const abort = new AbortController();
      const timer = timers.schedule(limits.dialTimeoutMs, () => abort.abort(new Error("the endpoint does not answer")));
      try {
        return await streams.dial(tcpAddress(endpoint.ip, endpoint.port), { signal: abort.signal });
      } catch (error) {
        tried.add(endpointKey(endpoint));
        log.debug("endpoint refused", { service: route.name, endpoint: endpointKey(endpoint), error: String(error) });
      } finally {
        timer.cancel();
      }
    }
    return null;
  }
}

function hostOf(address: string): string {
  try {
    const parsed = parseAddress(address);
    return parsed.kind === "tcp" ? parsed.host : "";
  } catch {
    return ""; // The simulator's names.
  }
}
