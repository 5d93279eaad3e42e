import type {
  Clock,
  Counter,
  DatagramAddress,
  Datagrams,
  DatagramSocket,
  Gauge,
  Log,
  Metrics,
  Random,
  Timer,
  Timers,
} from "../../platform/mod.ts";
import { NetworkError } from "../../platform/mod.ts";
import { type AffinityMap, choose, createAffinityMap, endpointKey } from "../core/choose.ts";
import { type Flow, FlowTable } from "../core/flows.ts";
import { type Binding, bindingsOf } from "../core/listeners.ts";
import type { Endpoint, Route, RouteTable } from "../core/table.ts";
import * as limits from "../limits.ts";

export interface DatagramDataplaneDeps {
  readonly datagrams: Datagrams;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface DatagramDataplane {
  /** Takes the table's place at once. Resolves when each address is bound here or found to be another's. */
  apply(table: RouteTable): Promise<void>;
  stop(): Promise<void>;
}

interface Bound {
  binding: Binding;
  readonly socket: DatagramSocket;
}

interface ClientFlow extends Flow {
  readonly client: DatagramAddress;
  /** Null while it is being bound. */
  socket: DatagramSocket | null;
  /** What came before the socket was there. */
  readonly early: Uint8Array[];
  dropped: boolean;
}

/**
 * UDP by userspace. An address can be bound by one process only, so whichever proxy binds it first serves it for the
 * cluster; the others try again from time to time and so take over when it dies. Each client of a service port has a
 * flow: an endpoint, and a socket of its own for that endpoint's answers. A flow ends when it has been idle, when its
 * endpoint has gone, or when it is the oldest of too many.
 * @param nodeAddress where node ports are served; null: nowhere
 */
export function createDatagramDataplane(nodeAddress: string | null, deps: DatagramDataplaneDeps): DatagramDataplane {
  return new DatagramPlane(nodeAddress, deps);
}

class DatagramPlane implements DatagramDataplane {
  readonly #nodeAddress: string | null;
  readonly #deps: DatagramDataplaneDeps;
  readonly #affinity: AffinityMap = createAffinityMap(limits.maxAffinityEntries);
  readonly #bound = new Map<string, Bound>();
  readonly #flows = new FlowTable<ClientFlow>(limits.maxFlows, limits.flowIdleMs);
  readonly #datagramsTotal: Counter;
  readonly #flowCount: Gauge;
  #table: RouteTable = new Map();
  #applying: Promise<void> = Promise.resolve();
  #retry: Timer | null = null;
  #sweep: Timer | null = null;
  #stopped = false;

  constructor(nodeAddress: string | null, deps: DatagramDataplaneDeps) {
    this.#nodeAddress = nodeAddress;
    this.#deps = deps;
    this.#datagramsTotal = deps.metrics.counter("sauropod_proxy_datagrams_total", "Service datagrams by outcome.");
    this.#flowCount = deps.metrics.gauge("sauropod_proxy_flows", "UDP clients that are being served.");
  }

  apply(table: RouteTable): Promise<void> {
    this.#table = table;
    // Answers of an endpoint that has gone will not come: the client's next datagram goes elsewhere.
    this.#drop(this.#flows.retain((flow) => this.#isCurrent(flow)));
    const applied = this.#applying.then(() => this.#bindAll());
    this.#applying = applied;
    return applied;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#sweep?.cancel();
    await this.#applying;
    this.#drop(this.#flows.retain(() => false));
    for (const { socket } of this.#bound.values()) await socket.close();
    this.#bound.clear();
  }

  #isCurrent(flow: ClientFlow): boolean {
    const bound = this.#bound.get(flow.binding);
    const route = bound === undefined ? undefined : this.#table.get(bound.binding.route);
    if (bound === undefined || route === undefined) return false;
    const key = endpointKey(flow.endpoint);
    return endpointsOf(route, bound.binding).some((each) => endpointKey(each) === key);
  }

  async #bindAll(): Promise<void> {
    if (this.#stopped) return;
    const wanted = bindingsOf(this.#table, this.#nodeAddress, "UDP");
    for (const [key, bound] of [...this.#bound]) {
      const binding = wanted.get(key);
      if (binding !== undefined) {
        bound.binding = binding;
        continue;
      }
      this.#bound.delete(key);
      await bound.socket.close();
    }
    let missing = false;
    for (const [key, binding] of wanted) {
      if (this.#stopped || this.#bound.has(key)) continue;
      const socket = await this.#bind(key, binding);
      if (socket === null) missing = true;
      else this.#bound.set(key, { binding, socket });
    }
    if (!missing || this.#stopped) return;
    this.#retry?.cancel();
    // Not all at once, should many wait for one that has died.
    const waitMs = limits.electionRetryMs * (0.75 + 0.5 * this.#deps.random.next());
    this.#retry = this.#deps.timers.schedule(waitMs, () => void this.apply(this.#table));
  }

  async #bind(key: string, { ip, port, route }: Binding): Promise<DatagramSocket | null> {
    const { datagrams, log } = this.#deps;
    const receive = (datagram: Uint8Array, from: DatagramAddress) => this.#received(key, datagram, from);
    let reason: unknown;
    for (const each of port < 1024 ? [port, port + limits.lowPortOffset] : [port]) {
      try {
        const socket = await datagrams.bind({ host: ip, port: each }, receive);
        log.info("serves datagrams", { service: route, ip, port, ...(each === port ? {} : { at: each }) });
        return socket;
      } catch (error) {
        if (error instanceof NetworkError && error.addressInUse) {
          log.debug("another proxy serves the datagrams", { service: route, ip, port: each });
          return null;
        }
        reason = error;
      }
    }
    log.warn("cannot receive datagrams for a service", { service: route, ip, port, error: String(reason) });
    return null;
  }

  #received(key: string, datagram: Uint8Array, client: DatagramAddress): void {
    if (this.#stopped) return;
    const flow = this.#flows.use(`${key} ${client.host}:${client.port}`, this.#deps.clock.monotonic()) ??
      this.#open(key, client);
    if (flow === null) return this.#datagramsTotal.add(1, { outcome: "no_endpoint" });
    this.#datagramsTotal.add(1, { outcome: "forwarded" });
    if (flow.socket !== null) flow.socket.send(datagram, addressOf(flow.endpoint));
    else if (flow.early.length < limits.maxEarlyDatagrams) flow.early.push(datagram);
  }

  /** Null when no endpoint is ready. */
  #open(key: string, client: DatagramAddress): ClientFlow | null {
    const { clock, random } = this.#deps;
    const bound = this.#bound.get(key);
    const route = bound === undefined ? undefined : this.#table.get(bound.binding.route);
    if (bound === undefined || route === undefined) return null;
    const now = clock.monotonic();
    const choice = {
      route,
      endpoints: endpointsOf(route, bound.binding),
      clientIP: client.host,
      tried: new Set<string>(),
    };
    const endpoint = choose(choice, this.#affinity, random.next(), now);
    if (endpoint === null) return null;
    const flow: ClientFlow = {
      key: `${key} ${client.host}:${client.port}`,
      binding: key,
      endpoint,
      client,
      socket: null,
      early: [],
      dropped: false,
    };
    const evicted = this.#flows.add(flow, now);
    if (evicted !== null) this.#drop([evicted]);
    this.#flowCount.set(this.#flows.size);
    this.#armSweep();
    void this.#connect(flow, bound);
    return flow;
  }

  /** Gives the flow its socket, and sends what has waited for it. */
  async #connect(flow: ClientFlow, bound: Bound): Promise<void> {
    const { datagrams, clock, log } = this.#deps;
    const wanted = endpointKey(flow.endpoint);
    let socket: DatagramSocket;
    try {
      socket = await datagrams.bind({ host: bound.binding.ip, port: 0 }, (datagram, { host, port }) => {
        // Anybody can send to this socket; only the endpoint may answer.
        if (flow.dropped || `${host}:${port}` !== wanted) return;
        this.#flows.use(flow.key, clock.monotonic());
        bound.socket.send(datagram, flow.client);
      });
    } catch (error) {
      log.warn("no socket for a client's datagrams", { client: flow.key, error: String(error) });
      this.#drop(this.#flows.retain((each) => each !== flow));
      return;
    }
    if (flow.dropped) return await socket.close();
    flow.socket = socket;
    for (const datagram of flow.early.splice(0)) socket.send(datagram, addressOf(flow.endpoint));
  }

  #drop(flows: readonly ClientFlow[]): void {
    for (const flow of flows) {
      flow.dropped = true;
      void flow.socket?.close();
    }
    this.#flowCount.set(this.#flows.size);
  }

  /** Runs only while there are flows. */
  #armSweep(): void {
    if (this.#sweep !== null || this.#stopped) return;
    this.#sweep = this.#deps.timers.schedule(limits.flowIdleMs / 4, () => {
      this.#sweep = null;
      this.#drop(this.#flows.expire(this.#deps.clock.monotonic()));
      if (this.#flows.size > 0) this.#armSweep();
    });
  }
}

function endpointsOf(route: Route, binding: Binding): readonly Endpoint[] {
  return (binding.external ? route.externalLocal : route.internalLocal) ?? route.endpoints;
}

function addressOf(endpoint: Endpoint): DatagramAddress {
  return { host: endpoint.ip, port: endpoint.port };
}
