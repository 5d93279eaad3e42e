import { parseAddress, tcpAddress, urlHost } from "../address.ts";
import { drainMs, lingerMs } from "../limits.ts";
import { type HttpListener, type HttpServeOptions, type Log, NetworkError, type RequestContext } from "../mod.ts";
import type { Behind, Caller, Front } from "./front.ts";
import type { Time } from "./request_times.ts";
import { webSocketChannel } from "./web_socket.ts";
import { nodeWire } from "./wire.ts";

function upgradeWebSocket(request: Request, protocol: string): ReturnType<RequestContext["upgradeWebSocket"]> {
  const options = protocol === "" ? { idleTimeout: 0 } : { idleTimeout: 0, protocol };
  const { response, socket } = Deno.upgradeWebSocket(request, options);
  return { response, channel: webSocketChannel(socket, protocol) };
}

/** Counts handlers that have not answered, so that closing can wait for them but not for the bodies they stream. */
class InFlight {
  #count = 0;
  #idle: (() => void) | null = null;

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#count === 0) this.#idle?.();
  }

  /** Resolves when no handler is running, or after `timeoutMs`. */
  drained(timeoutMs: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#idle = () => {
        clearTimeout(timer);
        setTimeout(resolve, lingerMs);
      };
    });
  }
}

/** The caller by where the connection comes from; undefined refuses. Without `times`, nobody minds how long it takes. */
type WhoIs = (remote: Deno.NetAddr) => (Pick<Behind, "caller"> & Partial<Behind>) | undefined;

interface Started {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  readonly abort: () => void;
  readonly handle: (request: Request, caller: Caller) => Promise<Response>;
}

function startServer(
  options: HttpServeOptions,
  at: { hostname: string; port: number },
  who: WhoIs,
  inFlight: InFlight,
  log: Log,
): Started {
  const controller = new AbortController();
  async function handle(request: Request, caller: Caller, times?: Behind["times"]): Promise<Response> {
    inFlight.enter();
    const upgrade: typeof upgradeWebSocket = (asking, protocol) => {
      times?.release();
      return upgradeWebSocket(asking, protocol);
    };
    try {
      return await options.handler(request, { ...caller, upgradeWebSocket: upgrade });
    } catch (error) {
      log.error("http handler failed", { error, method: request.method, url: request.url });
      return new Response("Internal Server Error", { status: 500 });
    } finally {
      inFlight.leave();
    }
  }
  try {
    const server = Deno.serve({ ...at, signal: controller.signal, onListen: () => {} }, (request, info) => {
      const behind = who(info.remoteAddr);
      if (behind !== undefined) {
        const { caller, times } = behind;
        if (times !== undefined) timed(times, info.completed);
        return handle(request, caller, times);
      }
      return new Response("Forbidden", { status: 403 }); // somebody on this machine dialled the back port
    });
    return { server, abort: () => controller.abort(), handle };
  } catch (error) {
    throw new NetworkError(`Cannot listen on ${options.address}: ${String(error)}`, { cause: error });
  }
}

/** @param completed settles when the answer's last byte has been handed over, or cannot be */
function timed(times: Behind["times"], completed: Promise<void>): void {
  const ended = (): void => times.ended();
  times.begun();
  completed.then(ended, ended);
}

/** `server.shutdown()` waits for open watches for ever and cannot be followed by an abort: the abort alone is used. */
async function stopServer(started: ReturnType<typeof startServer>): Promise<void> {
  started.abort();
  await started.server.finished;
}

async function servePlain(options: HttpServeOptions, host: string, port: number, log: Log): Promise<HttpListener> {
  const inFlight = new InFlight();
  const who: WhoIs = (remote) => ({ caller: { peer: null, proxyPeer: null, remoteAddress: remote.hostname } });
  const started = startServer(options, { hostname: host, port }, who, inFlight, log);
  let closing: Promise<void> | null = null;
  const bound = started.server.addr.port;
  return {
    address: tcpAddress(host, bound),
    url: `http://${urlHost(host)}:${bound}`,
    close: () => closing ??= inFlight.drained(drainMs).then(() => stopServer(started)),
  };
}

async function serveTls(
  options: HttpServeOptions,
  tls: NonNullable<HttpServeOptions["tls"]>,
  host: string,
  port: number,
  { log, ...time }: HttpServerDeps,
): Promise<HttpListener> {
  const { openFront } = await import("./front.ts");
  const upgraded = await import("./upgraded.ts");
  const { serveRequests } = await import("./http2_requests.ts");
  const inFlight = new InFlight();
  let front: Front | null = null;
  const who: WhoIs = (remote) => front?.behind(remote.hostname, remote.port);
  const started = startServer(options, { hostname: "127.0.0.1", port: 0 }, who, inFlight, log);
  try {
    const { clientCertificates, proxyCa } = tls;
    front = await openFront({
      host,
      port,
      tls,
      clientCertificates,
      ...(proxyCa === undefined ? {} : { proxyCa }),
      backPort: started.server.addr.port,
      time,
      onUpgrade: (socket, flow, begun, caller) => {
        void upgraded.serveUpgrade(socket, flow, begun, caller, options.handler).catch((error) => {
          log.error("http handler failed", { error, method: begun.upgrade.first[0], url: begun.upgrade.first[1] });
          socket.destroy();
        });
      },
      serveHttp2: (socket, caller) =>
        serveRequests(nodeWire(socket), (request) => started.handle(request, caller), time),
    });
  } catch (error) {
    await stopServer(started);
    throw error;
  }
  const opened = front;
  async function close(): Promise<void> {
    opened.stopAccepting();
    await inFlight.drained(drainMs);
    await opened.destroy();
    await stopServer(started);
  }
  let closing: Promise<void> | null = null;
  return {
    address: tcpAddress(host, opened.port),
    url: `https://${urlHost(host)}:${opened.port}`,
    close: () => closing ??= close(),
  };
}

export interface HttpServerDeps extends Time {
  readonly log: Log;
}

/** Behind TLS `request.url` says `http:` and the Host header's name. */
export function serveHttp(options: HttpServeOptions, deps: HttpServerDeps): Promise<HttpListener> {
  const at = parseAddress(options.address);
  if (at.kind === "unix") throw new NetworkError(`HTTP is served on TCP, not on ${options.address}`);
  if (options.tls === undefined) return servePlain(options, at.host, at.port, deps.log);
  return serveTls(options, options.tls, at.host, at.port, deps);
}
