import { concatBytes, fromUtf8, utf8 } from "../base/bytes.ts";

/**
 * The body of `POST /apis/sauropod.dev/v1/batch` and of its answer: for each request, resp. answer, one line of JSON that
 * says how many bytes follow it, and those bytes. Bodies travel as they are, in any encoding, and are never parsed twice.
 * N requests, N answers in the same order; each succeeds or fails for itself.
 */
export const batchPath = "/apis/sauropod.dev/v1/batch";
export const batchType = "application/vnd.sauropod.batch";

/** The most requests in one batch, and the bytes of all of it; an apiserver refuses more. */
export const maxBatchRequests = 128;
export const maxBatchBytes = 1024 * 1024;

export interface BatchRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly contentType: string;
  readonly accept: string;
  readonly body: Uint8Array;
}

export interface BatchAnswer {
  readonly status: number;
  readonly contentType: string;
  /** The Retry-After header; "" for none. */
  readonly retryAfter: string;
  readonly warnings: readonly string[];
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The body breaks the format, or a bound. */
export class BatchError extends Error {
  override readonly name = "BatchError";
}

export function encodeBatchRequests(requests: readonly BatchRequest[]): Uint8Array<ArrayBuffer> {
  return encode(requests.map(({ body, ...head }) => ({ head, body })));
}

/** @throws BatchError */
export function decodeBatchRequests(bytes: Uint8Array): BatchRequest[] {
  return decode(bytes).map(({ head, body }) => ({
    method: textOf(head["method"]),
    path: textOf(head["path"]),
    contentType: textOf(head["contentType"]),
    accept: textOf(head["accept"]),
    body,
  }));
}

export function encodeBatchAnswers(answers: readonly BatchAnswer[]): Uint8Array<ArrayBuffer> {
  return encode(answers.map(({ body, ...head }) => ({ head, body })));
}

/** @throws BatchError */
export function decodeBatchAnswers(bytes: Uint8Array): BatchAnswer[] {
  return decode(bytes).map(({ head, body }) => {
    const { status, warnings } = head;
    if (typeof status !== "number" || !Number.isInteger(status) || status < 200 || status > 599) {
      throw new BatchError(`An answer has the status ${JSON.stringify(status)}`);
    }
    return {
      status,
      contentType: textOf(head["contentType"]),
      retryAfter: textOf(head["retryAfter"]),
      warnings: Array.isArray(warnings) ? warnings.filter((each) => typeof each === "string") : [],
      body: new Uint8Array(body),
    };
  });
}

type Head = Readonly<Record<string, unknown>>;
interface Part {
  readonly head: Head;
  readonly body: Uint8Array;
}

function encode(parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  return concatBytes(
    parts.flatMap(({ head, body }) => [utf8(`${JSON.stringify({ ...head, length: body.length })}\n`), body]),
  );
}

const newline = 10;

function decode(bytes: Uint8Array): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(newline, at);
    if (end === -1) throw new BatchError("A head has no end");
    if (parts.length === maxBatchRequests) throw new BatchError(`more than ${maxBatchRequests} requests`);
    const head = headOf(fromUtf8(bytes.subarray(at, end)));
    const { length } = head;
    at = end + 1;
    if (typeof length !== "number" || !Number.isInteger(length) || length < 0 || length > bytes.length - at) {
      throw new BatchError(`A body has the length ${JSON.stringify(length)}`);
    }
    parts.push({ head, body: bytes.subarray(at, at + length) });
    at += length;
  }
  return parts;
}

function headOf(text: string): Head {
  let head: unknown;
  try {
    head = JSON.parse(text);
  } catch (error) {
    throw new BatchError("A head is not JSON", { cause: error });
  }
  if (typeof head !== "object" || head === null || Array.isArray(head)) throw new BatchError("A head is no object");
  return head as Head;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
