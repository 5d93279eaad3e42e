import {
  type BatchAnswer,
  BatchError,
  batchPath,
  batchType,
  decodeBatchAnswers,
  encodeBatchRequests,
  maxBatchBytes,
  maxBatchRequests,
} from "../api/batch.ts";
import { emptyBytes } from "../base/bytes.ts";
import { TransportError } from "./errors.ts";
import * as limits from "./limits.ts";
import type { Transport } from "./types.ts";

type RequestParts = Parameters<Transport>[1];

interface Waiting {
  readonly path: string;
  readonly init: RequestParts;
  readonly resolve: (response: Response | Promise<Response>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers writes for {@linkcode batchPath}: what is asked for in one turn of the event loop, and what comes up while
 * `limits.maxBatchesUnderWay` batches are under way, leaves as one request. A write that is alone is sent as it is and
 * at once, so an idle client waits for nothing. Each caller gets the answer of its own request. Reads, watches and
 * calls with a signal are handed on. Where the server does not know the path, everything is.
 */
export function createBatchingTransport(inner: Transport): Transport {
  const waiting: Waiting[] = [];
  let underWay = 0;
  let scheduled = false;
  let supported = true;

  function schedule(): void {
    if (scheduled || waiting.length === 0 || underWay >= limits.maxBatchesUnderWay) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      while (waiting.length > 0 && underWay < limits.maxBatchesUnderWay) void run(takeBatch(waiting));
    });
  }

  async function run(batch: readonly Waiting[]): Promise<void> {
    underWay++;
    try {
      const [only] = batch;
      if (only !== undefined && (batch.length === 1 || !supported)) {
        await Promise.all(batch.map((each) => direct(each)));
      } else await sendBatch(batch);
    } finally {
      underWay--;
      schedule();
    }
  }

  async function direct({ path, init, resolve, reject }: Waiting): Promise<void> {
    try {
      resolve(await inner(path, init));
    } catch (error) {
      reject(error);
    }
  }

  async function sendBatch(batch: readonly Waiting[]): Promise<void> {
    let response: Response;
    let answers: BatchAnswer[];
    try {
      response = await inner(batchPath, requestOf(batch));
      if (response.status === 404 || response.status === 405) {
        supported = false;
        return void await Promise.all(batch.map(direct));
      }
      const body = new Uint8Array(await response.arrayBuffer());
      if (!response.ok) return refuseAll(batch, response, body);
      answers = decodeBatchAnswers(body);
      if (answers.length !== batch.length) {
        throw new BatchError(`${answers.length} answers to ${batch.length} requests`);
      }
    } catch (error) {
      // The same for each: sent or not, nobody knows more of one request than of the whole.
      const failure = error instanceof BatchError ? new TransportError("unknown", error.message) : error;
      for (const { reject } of batch) reject(failure);
      return;
    }
    for (const [i, each] of batch.entries()) {
      const answer = answers[i];
      if (answer === undefined) continue;
      // The transport knows how to wait and ask again.
      if (answer.retryAfter !== "") void direct(each);
      else each.resolve(responseOf(answer));
    }
  }

  return (path, init) => {
    const { method, stream, signal, body } = init;
    const large = (body?.length ?? 0) > limits.maxBatchedBodyBytes;
    const alone = method === "GET" || method === "HEAD" || stream === true || signal !== undefined || large ||
      !supported || waiting.length >= limits.maxBatchQueue;
    if (alone) return inner(path, init);
    return new Promise((resolve, reject) => {
      waiting.push({ path, init, resolve, reject });
      schedule();
    });
  };
}

/** What fits into one batch, oldest first. */
function takeBatch(waiting: Waiting[]): Waiting[] {
  let bytes = 0;
  let count = 0;
  for (const { path, init } of waiting) {
    bytes += path.length + (init.body?.length ?? 0) + limits.batchHeadBytes;
    if (count === maxBatchRequests || count > 0 && bytes > maxBatchBytes) break;
    count++;
  }
  return waiting.splice(0, count);
}

function requestOf(batch: readonly Waiting[]): RequestParts {
  const requests = batch.map(({ path, init }) => ({
    method: init.method,
    path,
    contentType: init.headers["content-type"] ?? "",
    accept: init.headers["accept"] ?? "",
    body: init.body ?? emptyBytes,
  }));
  const userAgent = batch[0]?.init.headers["user-agent"] ?? "";
  return {
    method: "POST",
    headers: { "content-type": batchType, accept: `${batchType}, application/json`, "user-agent": userAgent },
    body: encodeBatchRequests(requests),
  };
}

function responseOf({ status, contentType, warnings, body }: BatchAnswer): Response {
  const nullBody = status === 204 || status === 304;
  const headers = new Headers({ "content-type": contentType });
  for (const warning of warnings) headers.append("warning", warning);
  return new Response(nullBody ? null : body, { status, headers });
}

function refuseAll(batch: readonly Waiting[], { status, headers }: Response, body: Uint8Array<ArrayBuffer>): void {
  for (const { resolve } of batch) resolve(new Response(body, { status, headers }));
}
