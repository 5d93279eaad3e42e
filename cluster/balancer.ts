import type {
  ByteConnection,
  Clock,
  Component,
  HttpClient,
  Listener,
  Log,
  Network,
  Timer,
  Timers,
} from "../platform/mod.ts";

export interface BalancerConfig {
  /** `tcp:127.0.0.1:6443`. */
  readonly listen: string;
  /** Each apiserver: where it takes TCP and the URL that its health is asked at. */
  readonly backends: readonly { readonly address: string; readonly url: string }[];
  /** PEM of the authority that signed the apiservers' certificates. */
  readonly ca: string;
  readonly timers: { readonly healthPeriodMs: number; readonly healthTimeoutMs: number };
}

interface Backend {
  readonly address: string;
  readonly url: string;
  healthy: boolean;
  /** Monotonic milliseconds of its last life sign: an answer to a probe, whatever it says, or a byte to any client. */
  heardAt: number;
  /** Open connections that go through it. */
  readonly sessions: Set<Session>;
}

interface Session {
  readonly client: ByteConnection;
  readonly server: ByteConnection;
}

/** A backend that is silent for so many health timeouts loses its connections; a busy one is slow but not silent. */
const silentTimeouts = 2;
/** More clients than this wait in the kernel's accept queue or are turned away. */
const sessionsMax = 4_096;
/** A userspace splice moves 1.8 GB/s with a buffer of this size (docs/adr). Allocated per direction while in use. */
const bufferBytes = 64 * 1024;

/**
 * Spreads connections over the healthy apiservers and passes TLS through untouched, so that one address survives the
 * death of any apiserver. A dead one's connections end by themselves. One that answers late or says that it is not ready
 * gets no new ones but keeps its watches; one that says nothing at all any more (paused, say) loses them, provided that
 * there is another to go to: on a machine too busy to answer any probe, cutting everyone off would only add to the work.
 */
export function startBalancer(
  config: BalancerConfig,
  deps: { clock: Clock; timers: Timers; network: Network; log: Log },
): Component {
  const { clock, timers, network, log } = deps;
  const backends: Backend[] = config.backends.map((each) => ({
    ...each,
    healthy: false,
    heardAt: clock.monotonic(),
    sessions: new Set(),
  }));
  const health: HttpClient = network.http.client({ tls: { ca: config.ca }, http2: false });
  const stopping = new AbortController();
  const probes = new Map<Backend, Timer>();
  let next = 0;

  /** Runs `body` with a signal that aborts when the balancer stops or the health timeout has passed. */
  async function bounded<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const abort = () => controller.abort(new DOMException("Gave up waiting for an apiserver", "TimeoutError"));
    const timer = timers.schedule(config.timers.healthTimeoutMs, abort);
    stopping.signal.addEventListener("abort", abort);
    try {
      return await body(controller.signal);
    } finally {
      timer.cancel();
      stopping.signal.removeEventListener("abort", abort);
    }
  }

  /** Healthy ones first, by turns; then the rest: an unknown backend is better than none. */
  function candidates(): Backend[] {
    const turn = next++;
    const rotated = backends.map((_, i) => backends[(turn + i) % backends.length] as Backend);
    return [...rotated.filter((each) => each.healthy), ...rotated.filter((each) => !each.healthy)];
  }

  async function accept(client: ByteConnection): Promise<void> {
    const open = backends.reduce((sum, each) => sum + each.sessions.size, 0);
    if (open >= sessionsMax) return client.close();
    for (const backend of candidates()) {
      let server: ByteConnection;
      try {
        server = await bounded((signal) => network.streams.dial(backend.address, { signal }));
      } catch {
        setHealth(backend, false);
        continue;
      }
      return splice(backend, { client, server });
    }
    client.close();
  }

  async function splice(backend: Backend, session: Session): Promise<void> {
    backend.sessions.add(session);
    try {
      const heard = () => void (backend.heardAt = clock.monotonic());
      await Promise.all([pump(session.client, session.server), pump(session.server, session.client, heard)]);
    } catch {
      // Either end reset: both close below.
    }
    backend.sessions.delete(session);
    session.client.close();
    session.server.close();
  }

  function setHealth(backend: Backend, healthy: boolean): void {
    if (backend.healthy === healthy) return;
    backend.healthy = healthy;
    log.info(healthy ? "apiserver is healthy" : "apiserver is not healthy", { address: backend.address });
  }

  function cutOff(backend: Backend): void {
    for (const session of backend.sessions) {
      session.client.close();
      session.server.close();
    }
  }

  function cutOffSilent(backend: Backend): void {
    const silentMs = clock.monotonic() - backend.heardAt;
    if (backend.sessions.size === 0 || silentMs < silentTimeouts * config.timers.healthTimeoutMs) return;
    if (!backends.some((each) => each.healthy)) return;
    log.warn("apiserver is silent: its connections are cut", { address: backend.address, silentMs });
    cutOff(backend);
  }

  async function probe(backend: Backend): Promise<void> {
    try {
      const healthy = await bounded(async (signal) => {
        const response = await health.fetch(`${backend.url}/readyz`, { signal });
        // Read, not cancelled: that would end the connection, and the next probe would begin with a handshake.
        await response.arrayBuffer();
        backend.heardAt = clock.monotonic();
        return response.ok;
      });
      setHealth(backend, healthy);
    } catch {
      setHealth(backend, false);
      cutOffSilent(backend);
    }
    if (stopping.signal.aborted) return;
    probes.set(backend, timers.schedule(config.timers.healthPeriodMs, () => void probe(backend)));
  }

  let listener: Listener | null = null;
  async function start(): Promise<void> {
    listener = await network.streams.listen(config.listen, {}, (client) => void accept(client));
    await Promise.all(backends.map(probe));
  }

  return {
    ready: start(),
    async stop() {
      stopping.abort(new DOMException("The balancer is stopping", "AbortError"));
      for (const timer of probes.values()) timer.cancel();
      await listener?.close();
      for (const backend of backends) cutOff(backend);
      health.close();
    },
  };
}

async function pump(from: ByteConnection, to: ByteConnection, heard?: () => void): Promise<void> {
  const buffer = new Uint8Array(bufferBytes);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) return await to.closeWrite();
    heard?.();
    await to.write(buffer.subarray(0, count));
  }
}
