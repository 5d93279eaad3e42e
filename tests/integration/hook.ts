import { encodeBase64 } from "../../api/base64.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Loose } from "../../apiserver/testing.ts";
import { type CertificateAuthority, createAuthority } from "../../cluster/pki.ts";

/** A webhook on a loopback port, over real TLS; `answer` decides, `asked` remembers. */
export class Hook implements AsyncDisposable {
  readonly asked: Loose[] = [];
  readonly authority: CertificateAuthority;
  readonly port: number;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(authority: CertificateAuthority, server: Deno.HttpServer<Deno.NetAddr>) {
    this.authority = authority;
    this.#server = server;
    this.port = server.addr.port;
  }

  /** @param names what its certificate says it is called, besides `hook.default.svc` */
  static async open(
    answer: (request: Loose) => Loose | Response | Promise<Loose | Response>,
    names: readonly string[] = [],
  ): Promise<Hook> {
    const authority = await createAuthority("hooks");
    const leaf = await authority.issue({
      commonName: "hook",
      names: ["hook.default.svc", "127.0.0.1", ...names],
      usage: "server",
    });
    const listen = { hostname: "127.0.0.1", port: 0, cert: leaf.cert, key: leaf.key, onListen() {} };
    const server = Deno.serve(listen, async (request) => {
      const review: Loose = await request.json();
      hook.asked.push({ ...review.request, url: request.url });
      const response = await answer(review.request);
      if (response instanceof Response) return response;
      return Response.json({ ...review, request: undefined, response: { uid: review.request.uid, ...response } });
    });
    const hook = new Hook(authority, server);
    return hook;
  }

  client(path = "/"): Loose {
    return { url: `https://127.0.0.1:${this.port}${path}`, caBundle: this.caBundle };
  }

  /** For `caBundle`. */
  get caBundle(): string {
    return encodeBase64(utf8(this.authority.cert));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
