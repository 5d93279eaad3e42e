/** How a check talks to the cluster: a live one over TLS, each request to the next apiserver, or one in this process. */

// deno-lint-ignore no-explicit-any -- checks look into answers of every shape
export type Loose = any;

export interface Reply {
  readonly code: number;
  readonly headers: Headers;
  readonly body: Loose;
}

export interface CallOptions {
  readonly contentType?: string;
  readonly accept?: string;
}

export interface Events {
  /** The next event of a watch; null at its end. */
  next(): Promise<Loose>;
  close(): Promise<void>;
}

export interface Api {
  call(method: string, path: string, body?: Loose, options?: CallOptions): Promise<Reply>;
  watch(path: string): Promise<Events>;
}

export interface KubectlOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The real client, set up to talk to the cluster. */
export interface Kubectl {
  /** @param input what it reads from standard input */
  run(args: readonly string[], input?: string): Promise<KubectlOutcome>;
  /** Starts what goes on until it is stopped; resolves with the first line that it prints. */
  start(args: readonly string[]): Promise<{ readonly line: string; stop(): Promise<void> }>;
}

export interface SendInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer>;
}

/** @param send sends one request to some apiserver */
export function apiOver(send: (path: string, init: SendInit) => Promise<Response>): Api {
  return {
    async call(method, path, body, options = {}) {
      const headers: Record<string, string> = { accept: options.accept ?? "application/json" };
      if (body !== undefined) headers["content-type"] = options.contentType ?? "application/json";
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const encoded = body === undefined ? {} : { body: new TextEncoder().encode(text) };
      const response = await send(path, { method, headers, ...encoded });
      const answer = await response.text();
      return { code: response.status, headers: response.headers, body: parsed(answer) };
    },
    async watch(path) {
      const response = await send(path, { method: "GET", headers: { accept: "application/json" } });
      const reader = response.body?.getReader();
      let text = "";
      return {
        async next() {
          for (;;) {
            const end = text.indexOf("\n");
            if (end >= 0) {
              const line = text.slice(0, end);
              text = text.slice(end + 1);
              return JSON.parse(line);
            }
            const chunk = await reader?.read();
            if (chunk === undefined || chunk.done) return null;
            text += new TextDecoder().decode(chunk.value);
          }
        },
        close: async () => void await reader?.cancel(),
      };
    },
  };
}

function parsed(text: string): Loose {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
