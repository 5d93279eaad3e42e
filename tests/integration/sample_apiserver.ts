import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { encodeBase64 } from "../../api/base64.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Loose } from "../../apiserver/testing.ts";
import { createAuthority } from "../../cluster/pki.ts";
import type { FrontProxy } from "../../apiserver/mod.ts";

const group = "wardle.example.com";
const verbs = ["create", "delete", "get", "list", "watch"];
const discovery = {
  kind: "APIGroupDiscoveryList",
  apiVersion: "apidiscovery.k8s.io/v2",
  metadata: {},
  items: [{
    metadata: { name: group },
    versions: [{
      version: "v1alpha1",
      freshness: "Current",
      resources: [{
        resource: "flunders",
        responseKind: { group, version: "v1alpha1", kind: "Flunder" },
        scope: "Namespaced",
        singularResource: "flunder",
        verbs,
      }],
    }],
  }],
};
const resourceList = {
  kind: "APIResourceList",
  apiVersion: "v1",
  groupVersion: `${group}/v1alpha1`,
  resources: [{ name: "flunders", singularName: "flunder", namespaced: true, kind: "Flunder", verbs }],
};
const flunderType = "com.example.wardle.v1alpha1.Flunder";
const flunderSchema = {
  type: "object",
  description: "Flunder is a sample.",
  properties: { spec: { type: "object", properties: { reference: { type: "string", description: "Of another." } } } },
  "x-kubernetes-group-version-kind": [{ group, version: "v1alpha1", kind: "Flunder" }],
};
const listPath = `/apis/${group}/v1alpha1/namespaces/{namespace}/flunders`;

/** One request that it was asked, with who asked. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** An extension apiserver on a loopback port: believes who its front proxy says asks, and nobody else. */
export class SampleApiServer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly port: number;
  readonly caBundle: string;
  readonly frontProxy: FrontProxy;
  /** False: it answers everything with 500. */
  healthy = true;
  /** False: only the older forms of discovery. */
  aggregated = true;
  readonly #objects = new Map<string, Loose>();
  readonly #watches = new Set<ServerResponse>();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, caBundle: string, frontProxy: FrontProxy) {
    this.#server = server;
    this.caBundle = caBundle;
    this.frontProxy = frontProxy;
    this.port = (server.address() as AddressInfo).port;
    server.on("request", (request, response) => void this.#answer(request, response));
    server.on("upgrade", (request: IncomingMessage, socket: Duplex) => this.#upgrade(request, socket));
  }

  /** @param frontProxyCa who signs the front proxy's certificate, PEM; absent: an authority of its own */
  static async open(frontProxyCa?: string): Promise<SampleApiServer> {
    const serving = await createAuthority("sample");
    const frontCa = await createAuthority("front-proxy-ca");
    const leaf = await serving.issue({ commonName: "sample", names: ["sample-api.default.svc"], usage: "server" });
    const identity = await frontCa.issue({ commonName: "front-proxy-client", usage: "client" });
    const options = {
      cert: leaf.cert,
      key: leaf.key,
      ca: frontProxyCa ?? frontCa.cert,
      requestCert: true,
      rejectUnauthorized: false,
    };
    const server = createServer(options);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new SampleApiServer(server, encodeBase64(utf8(serving.cert)), {
      ...identity,
      ca: frontCa.cert,
      clientCa: "the cluster's authority",
    });
  }

  /** How many watches are open. */
  get watches(): number {
    return this.#watches.size;
  }

  /** What its Service, EndpointSlice and APIService are. */
  manifests(): { path: string; object: Loose }[] {
    return [{
      path: "/api/v1/namespaces/default/services",
      object: { metadata: { name: "sample-api" }, spec: { ports: [{ name: "https", port: 7443, targetPort: 443 }] } },
    }, {
      path: "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
      object: {
        metadata: { name: "sample-api-1", labels: { "kubernetes.io/service-name": "sample-api" } },
        addressType: "IPv4",
        endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
        ports: [{ name: "https", port: this.port }],
      },
    }, {
      path: "/apis/apiregistration.k8s.io/v1/apiservices",
      object: {
        metadata: { name: `v1alpha1.${group}` },
        spec: {
          group,
          version: "v1alpha1",
          groupPriorityMinimum: 2000,
          versionPriority: 200,
          caBundle: this.caBundle,
          service: { namespace: "default", name: "sample-api", port: 7443 },
        },
      },
    }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Says who asks, then whatever it hears, until that is `bye`. Below `/refuse` it has its reasons not to. */
  #upgrade(request: IncomingMessage, socket: Duplex): void {
    const path = request.url ?? "/";
    this.asked.push({ method: request.method ?? "", path, headers: request.headersDistinct });
    const { authorized } = request.socket as TLSSocket;
    if (!authorized || path.includes("/refuse")) {
      return void socket.end(
        "HTTP/1.1 409 Conflict\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\nnot so fast",
      );
    }
    const { upgrade, "x-remote-user": user } = request.headers;
    socket.on("error", () => {});
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\nX-Sample: yes\r\n\r\n`,
    );
    socket.write(`${user}: `);
    let heard = "";
    socket.on("data", (chunk: Uint8Array) => {
      socket.write(chunk);
      heard = (heard + new TextDecoder().decode(chunk)).slice(-3);
      if (heard === "bye") socket.end();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "https://sample");
    const socket = request.socket as TLSSocket;
    const reply = (code: number, body: Loose, type = "application/json") => {
      response.writeHead(code, { "content-type": type, "x-sample": "yes" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
    this.asked.push({
      method: request.method ?? "",
      path: `${url.pathname}${url.search}`,
      headers: request.headersDistinct,
    });
    const subject: Loose = socket.getPeerCertificate()?.subject;
    if (socket.authorized !== true || subject?.CN !== "front-proxy-client") return reply(401, { kind: "Status" });
    if (!this.healthy) return reply(500, "broken");
    let body = "";
    try {
      for await (const chunk of request) body += String(chunk);
    } catch {
      return; // The other side has gone: nobody waits for an answer.
    }
    this.#serve(url, request, response, body, reply);
  }

  #serve(
    url: URL,
    request: IncomingMessage,
    response: ServerResponse,
    body: string,
    reply: (code: number, body: Loose, type?: string) => void,
  ): void {
    const base = `/apis/${group}/v1alpha1`;
    switch (url.pathname) {
      case "/apis":
        return this.aggregated
          ? reply(200, discovery, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
          : reply(200, { kind: "APIGroupList", apiVersion: "v1", groups: [] });
      case base:
        return reply(200, resourceList);
      case "/openapi/v3":
        return reply(200, { paths: { [base.slice(1)]: { serverRelativeURL: `/openapi/v3${base}?hash=ABC` } } });
      case `/openapi/v3${base}`:
        return reply(200, { openapi: "3.0.0", paths: {}, components: { schemas: { [flunderType]: flunderSchema } } });
      case "/openapi/v2": {
        const operation = { responses: { 200: { schema: { $ref: `#/definitions/${flunderType}` } } } };
        const paths = { [listPath]: { get: operation }, "/apis/other.example.com/v1/things": {} };
        return reply(200, { swagger: "2.0", paths, definitions: { [flunderType]: flunderSchema, Unused: {} } });
      }
      case `${base}/redirect`:
        response.writeHead(302, { location: "https://elsewhere.example.com" });
        return void response.end();
    }
    const match = new RegExp(`^${base}/namespaces/([^/]+)/flunders(?:/([^/]+))?$`).exec(url.pathname);
    if (match === null) return reply(404, { kind: "Status", code: 404 });
    const name = match[2] ?? "";
    if (request.method === "POST") {
      const object = JSON.parse(body);
      this.#objects.set(object.metadata.name, object);
      for (const watch of this.#watches) watch.write(`${JSON.stringify({ type: "ADDED", object })}\n`);
      return reply(201, object);
    }
    if (url.searchParams.has("watch")) {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      this.#watches.add(response);
      response.on("close", () => this.#watches.delete(response));
      return;
    }
    if (name === "") {
      const items = [...this.#objects.values()];
      return reply(200, { kind: "FlunderList", apiVersion: `${group}/v1alpha1`, metadata: {}, items });
    }
    const object = this.#objects.get(name);
    reply(object === undefined ? 404 : 200, object ?? { kind: "Status", code: 404, reason: "NotFound" });
  }
}
