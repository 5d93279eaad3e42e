import type { RegisterAction } from "../../base/linearizability.ts";
import * as limits from "./limits.ts";
import type { Answer, Registers } from "./registers.ts";
import type { OpenWatch } from "./watchers.ts";

/** etcd's JSON gateway: what its gRPC says, with bytes in base64 and 64-bit numbers as text. */

function base64(text: string): string {
  return btoa(text); // our keys and values are ASCII
}

type Json = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? value as Json : {};
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

/** One call to one member. @throws TypeError when it could not be reached or did not answer in time */
export async function callEtcd(
  url: string,
  path: string,
  body: Json,
  timeoutMs = limits.requestTimeoutMs,
): Promise<Json> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new DOMException("No answer in time", "TimeoutError")), timeoutMs);
  try {
    const init = { method: "POST", body: JSON.stringify(body), signal: limit.signal };
    const response = await fetch(`${url}${path}`, init);
    const answer = fieldsOf(await response.json());
    if (!response.ok) throw new EtcdError(String(answer.error ?? response.status));
    return answer;
  } finally {
    clearTimeout(timer);
  }
}

/** The member answered, with an error. */
class EtcdError extends Error {
  override readonly name = "EtcdError";
}

/** Registers that are keys of an etcd. A member that refuses the connection has not been sent anything: the next is tried. */
export function etcdRegisters(urls: readonly string[], prefix: string): Registers {
  let at = 0;

  async function call(path: string, body: Json): Promise<Json> {
    for (let attempt = 0;; attempt++) {
      try {
        return await callEtcd(urls[at % urls.length] ?? "", path, body);
      } catch (error) {
        const refused = error instanceof TypeError && /refused|\(Connect\)/.test(`${error.message} ${error.cause}`);
        if (!(error instanceof EtcdError)) at++;
        if (!refused || attempt >= urls.length) throw error;
      }
    }
  }

  return {
    async perform(name, action) {
      const key = base64(`${prefix}${name}`);
      try {
        if (action.kind === "get") {
          const [kv] = listOf((await call("/v3/kv/range", { key })).kvs);
          const known = kv === undefined ? null : { value: atob(String(kv.value)), version: String(kv.mod_revision) };
          return { kind: "done", known, version: null };
        }
        const answer = await call("/v3/kv/txn", conditional(key, action));
        const version = String(fieldsOf(answer.header).revision);
        if (answer.succeeded !== true) {
          const [first] = listOf(answer.responses);
          return { kind: "refused", missing: listOf(fieldsOf(first?.response_range).kvs).length === 0 };
        }
        return { kind: "done", known: action.kind === "delete" ? null : { value: action.value, version }, version };
      } catch (error) {
        return answerOf(error);
      }
    },
  };
}

function answerOf(error: unknown): Answer {
  if (error instanceof EtcdError) return { kind: "unknown", error: error.message };
  return { kind: "unknown", error: error instanceof DOMException ? "timed out" : "connection failed" };
}

function conditional(key: string, action: Exclude<RegisterAction, { kind: "get" }>): Json {
  const failure = [{ request_range: { key } }];
  const put = (value: string) => [{ request_put: { key, value: base64(value) } }];
  const exists = { key, target: "VERSION", result: "GREATER", version: "0" };
  const holds = (value: string) => ({ key, target: "VALUE", result: "EQUAL", value: base64(value) });
  switch (action.kind) {
    case "create":
      return { compare: [{ ...exists, result: "EQUAL" }], success: put(action.value), failure };
    case "put":
      return { compare: [exists], success: put(action.value), failure };
    case "swap":
      return { compare: [holds(action.expected)], success: put(action.value), failure };
    case "delete":
      return {
        compare: [action.expected === null ? exists : holds(action.expected)],
        success: [{ request_delete_range: { key } }],
        failure,
      };
  }
}

/** Watches by one member after the other, beginning with the first of `urls`. */
export function watchEtcd(urls: readonly string[], prefix: string): OpenWatch {
  let at = 0;
  const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  // A header's revision is the store's, not the batch's: while a watch catches up it says nothing of what was told.
  return async (from, onEvent, _onProgress, signal) => {
    const create = { key: base64(prefix), range_end: base64(end), start_revision: `${Number(from) + 1}` };
    try {
      const url = urls[at % urls.length] ?? "";
      const body = JSON.stringify({ create_request: create });
      const response = await fetch(`${url}/v3/watch`, { method: "POST", body, signal });
      for await (const line of linesOf(response.body, signal)) {
        const result = fieldsOf(fieldsOf(JSON.parse(line)).result);
        if (result.canceled === true) return result.compact_revision === undefined ? "ended" : "compacted";
        for (const event of listOf(result.events)) {
          const kv = fieldsOf(event.kv);
          const created = kv.version === "1" ? "ADDED" : "MODIFIED";
          onEvent({
            type: event.type === "DELETE" ? "DELETED" : created,
            key: atob(String(kv.key)).slice(prefix.length),
            value: kv.value === undefined ? "" : atob(String(kv.value)),
            resourceVersion: String(kv.mod_revision),
          });
        }
      }
    } catch {
      at++; // that member is gone, or the watch was ended
    }
    return "ended";
  };
}

/**
 * Ends when `signal` aborts, by cancelling the body itself: fetch() holds its signal weakly and has been seen to miss the
 * abort of a watch that outlived a garbage collection, which then was never told to end.
 */
async function* linesOf(body: ReadableStream<Uint8Array> | null, signal: AbortSignal): AsyncGenerator<string> {
  if (body === null) return;
  const reader = body.getReader();
  const onAbort = () => void reader.cancel().catch(() => {});
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines.filter((line) => line !== "");
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    onAbort();
  }
}
