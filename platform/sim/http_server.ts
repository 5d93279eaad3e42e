import { parseAddress, urlHost } from "../address.ts";
import { type HttpListener, type HttpServeOptions, type Log, NetworkError, type RequestContext } from "../mod.ts";
import { Exchange } from "./http_body.ts";
import type { HttpMessage } from "./http_messages.ts";
import type { Life } from "./life.ts";
import type { Endpoint, SimNetwork } from "./network.ts";
import { SimWebSocket } from "./web_socket.ts";

type RequestHead = Extract<HttpMessage, { kind: "request" }>;

function requestOf(head: RequestHead, body: ReadableStream<Uint8Array<ArrayBuffer>> | null): Request {
  const init: RequestInit & { duplex?: "half" } = {
    method: head.method,
    headers: head.headers,
  };
  if (body !== null) {
    init.body = body;
    init.duplex = "half";
  }
  return new Request(head.url, init);
}

/** One request on one connection. */
class Served {
  readonly #exchange: Exchange;
  readonly #options: HttpServeOptions;
  readonly #log: Log;
  /** The answer to an upgrade says so by being this very object. */
  #upgrade: { response: Response; channel: SimWebSocket } | null = null;

  constructor(endpoint: Endpoint, network: SimNetwork, options: HttpServeOptions, log: Log) {
    this.#exchange = new Exchange(endpoint, network);
    this.#options = options;
    this.#log = log;
    endpoint.onMessage = (payload) => this.#receive(payload as HttpMessage); // only Exchange sends here
    endpoint.onClose = (error) => this.#exchange.broken(error ?? new NetworkError("The client has gone"));
  }

  end(): void {
    this.#exchange.endpoint.reset();
    this.#exchange.broken(new NetworkError("The server is closing"));
  }

  #receive(message: HttpMessage): void {
    if (this.#exchange.receiveBody(message) || message.kind !== "request") return;
    const body = message.hasBody ? this.#exchange.incoming(() => this.#exchange.endpoint.resume()) : null;
    const { peer, remoteIp } = this.#exchange.endpoint;
    const context: RequestContext = {
      peer,
      remoteAddress: remoteIp,
      upgradeWebSocket: (_request, protocol) => {
        if (!message.upgrade) throw new TypeError("Not a WebSocket request");
        // Any response object will do: the web's constructor refuses status 101.
        this.#upgrade = { response: new Response(null), channel: new SimWebSocket(this.#exchange.endpoint, protocol) };
        return this.#upgrade;
      },
    };
    void this.#answer(requestOf(message, body), context);
  }

  async #answer(request: Request, context: RequestContext): Promise<void> {
    try {
      await this.#respond(await this.#options.handler(request, context));
    } catch (error) {
      this.#log.error("http handler failed", { error, method: request.method, url: request.url });
      this.#exchange.endpoint.reset();
    }
  }

  async #respond(response: Response): Promise<void> {
    const exchange = this.#exchange;
    if (this.#upgrade !== null && response === this.#upgrade.response) {
      const { channel } = this.#upgrade;
      exchange.send({ kind: "upgraded", protocol: channel.protocol });
      return channel.open();
    }
    const { status, statusText, headers, body } = response;
    exchange.send({ kind: "response", status, statusText, headers: [...headers], hasBody: body !== null });
    if (body !== null) await exchange.pump(body);
    exchange.endpoint.close();
  }
}

export function serveSimHttp(life: Life, network: SimNetwork, options: HttpServeOptions, log: Log): HttpListener {
  const served = new Set<{ end(): void; endpoint: Endpoint }>();
  const { tls } = options;
  const registered = network.listen(options.address, {
    life,
    kind: "http",
    tls: tls === undefined ? null : { ...tls, clientCertificates: tls.clientCertificates ? "ask" : "none" },
    accept(endpoint) {
      const one = new Served(endpoint, network, options, log);
      for (const other of served) if (other.endpoint.closed) served.delete(other);
      served.add({ endpoint, end: () => one.end() });
    },
  });
  const at = parseAddress(registered.address);
  if (at.kind === "unix") throw new NetworkError(`HTTP is served on TCP, not on ${options.address}`);
  return {
    address: registered.address,
    url: `${tls === undefined ? "http" : "https"}://${urlHost(at.host)}:${at.port}`,
    async close() {
      registered.close();
      for (const one of served) one.end();
      served.clear();
    },
  };
}
