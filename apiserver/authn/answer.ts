import { concatBytes, fromUtf8 } from "../../base/bytes.ts";
import type { Timers } from "../../platform/mod.ts";
import { limits } from "../limits.ts";
import { TokenError } from "./token_authenticator.ts";

/**
 * What a server that the configuration names answers, as JSON: within a time and a size.
 * @param ask sends the request @throws TokenError, or what `ask` throws
 */
export async function askJson(
  what: string,
  timers: Timers,
  ask: (signal: AbortSignal) => Promise<Response>,
): Promise<unknown> {
  const abort = new AbortController();
  const timer = timers.schedule(limits.issuerAnswerMs, () => abort.abort(new TokenError(`${what} does not answer`)));
  try {
    const response = await ask(abort.signal);
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      size += part.length;
      // Leaving the loop cancels the stream.
      if (size > limits.issuerAnswerBytes) throw new TokenError(`${what} answers too much`);
      parts.push(part);
    }
    if (!response.ok) throw new TokenError(`${what} answers ${response.status}`);
    return JSON.parse(fromUtf8(concatBytes(parts)));
  } catch (error) {
    throw error instanceof SyntaxError ? new TokenError(`${what} does not answer with JSON`) : error;
  } finally {
    timer.cancel();
  }
}
