import { decodeBase64 } from "../api/base64.ts";
import { fromUtf8 } from "../base/bytes.ts";
import { limits } from "./limits.ts";
import type { Registry } from "./registry/context.ts";
import { serviceAddress } from "./service_address.ts";

/** Where a webhook is: what admission's and conversion's client configurations have in common. */
export interface WebhookPlace {
  readonly url?: string;
  readonly service?: {
    readonly name: string;
    readonly namespace: string;
    readonly port?: number;
    readonly path?: string;
  };
  /** PEM in base64: the only roots that are trusted. */
  readonly caBundle?: string;
}

/** There was no answer, or none that can be read; the message says why as Go's client says it. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/**
 * POSTs a review and parses what comes back. A Service is dialled at one of its endpoints, by the name that its
 * certificate must show. @throws UnreachableError
 */
export async function askWebhook(
  registry: Registry,
  place: WebhookPlace,
  body: string,
  seconds: number,
): Promise<unknown> {
  const { service, caBundle } = place;
  const base = service === undefined
    ? place.url ?? ""
    : `https://${service.name}.${service.namespace}.svc:${service.port ?? 443}${service.path ?? ""}`;
  const url = `${base}${base.includes("?") ? "&" : "?"}timeout=${seconds}s`;
  const fail = (why: string) => new UnreachableError(`Post ${JSON.stringify(url)}: ${why}`);
  if (registry.postHttps === undefined) throw fail("this server has no network");
  const via = service === undefined ? undefined : serviceAddress(registry, service);
  if (via === null) throw fail(`no endpoints available for service ${JSON.stringify(service?.name ?? "")}`);
  const ca = caBundle === undefined ? undefined : decodeBase64(caBundle);
  const abort = new AbortController();
  const timer = registry.timers.schedule(seconds * 1000, () => abort.abort());
  try {
    const response = await registry.postHttps({
      url,
      body,
      signal: abort.signal,
      ...(ca === undefined ? {} : { ca: fromUtf8(ca) }),
      ...(via === undefined ? {} : { via }),
    });
    const answer = await readBounded(response);
    if (response.status !== 200) throw new UnreachableError(`the server answered with ${response.status}`);
    return JSON.parse(answer);
  } catch (error) {
    if (error instanceof UnreachableError) throw error;
    if (abort.signal.aborted) throw fail("context deadline exceeded");
    throw error instanceof SyntaxError
      ? new UnreachableError("the response is not JSON")
      : fail(error instanceof Error ? error.message : String(error));
  } finally {
    timer.cancel();
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: string[] = [];
  const decoder = new TextDecoder();
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > limits.webhookAnswerBytes) throw new UnreachableError("the response is too large");
    chunks.push(decoder.decode(chunk, { stream: true }));
  }
  return chunks.join("") + decoder.decode();
}
