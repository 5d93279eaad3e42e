import { ApiError } from "../../api/status.ts";
import type { Clock } from "../../platform/mod.ts";
import { attributesOf } from "../authz/attributes.ts";
import { type Exchange, type Filter, isLongRunning } from "../exchange.ts";
import type { Json } from "../dig.ts";
import type { AuditLog } from "./log.ts";
import { type AuditPolicy, judge, type Stage } from "./policy.ts";
import { type AuditRecord, eventOf, failureStatus, objectOf, type Outcome } from "./record.ts";

export interface AuditDeps {
  readonly policy: AuditPolicy;
  readonly log: AuditLog;
  readonly clock: Clock;
}

/**
 * Writes what the policy wants of each request that somebody proven sent. Later filters add to `exchange.audit`: whom the
 * request acts as, its body, and why it was allowed.
 * @see kubernetes docs "Auditing"
 */
export function audit({ policy, log, clock }: AuditDeps): Filter {
  return async (exchange, next) => {
    const verdict = judge(policy, exchange.user, attributesOf(exchange.info));
    if (verdict === null) return await next(exchange);
    const { user, body } = exchange;
    const audited: AuditRecord = {
      verdict,
      receivedAt: clock.now(),
      exchange,
      user,
      annotations: {},
      // A request inside a batch has its body from the start.
      ...(body.length === 0 ? {} : { body }),
    };
    exchange.audit = audited;
    const write = (stage: Stage, outcome: Outcome | null) => {
      if (!verdict.omitStages.has(stage)) log.write(eventOf(audited, stage, clock.now(), outcome));
    };
    write("RequestReceived", null);
    let response: Response;
    try {
      response = await next(exchange);
    } catch (error) {
      if (error instanceof ApiError) write("ResponseComplete", { status: failureStatus(error.status) });
      else write("Panic", { status: panicStatus(error) });
      throw error;
    }
    return await answered(exchange, audited, response, write);
  };
}

function panicStatus(error: unknown): Json {
  const message = `APIServer panic'd: ${error instanceof Error ? error.message : String(error)}`;
  return { metadata: {}, status: "Failure", message, reason: "InternalError", code: 500 };
}

async function answered(
  exchange: Exchange,
  { verdict }: AuditRecord,
  response: Response,
  write: (stage: Stage, outcome: Outcome | null) => void,
): Promise<Response> {
  const { info } = exchange;
  const status = { metadata: {}, code: response.status };
  if (isLongRunning(info)) {
    write("ResponseStarted", { status });
    // An upgraded connection is out of sight: it is complete as far as HTTP goes.
    if (response.body === null || response.status === 101) write("ResponseComplete", { status });
    else return followed(response, () => write("ResponseComplete", { status }));
    return response;
  }
  if (verdict.level !== "RequestResponse" || info.kind !== "resource" || response.body === null) {
    write("ResponseComplete", { status });
    return response;
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  const responseObject = objectOf(bytes, response.headers.get("content-type") ?? "", info.info);
  write("ResponseComplete", { status, ...(responseObject === undefined ? {} : { responseObject }) });
  return new Response(bytes, { status: response.status, headers: response.headers });
}

/** The same response, with word of when its body has ended, by whichever side. */
function followed(response: Response, onEnd: () => void): Response {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        onEnd();
        controller.close();
      } catch (error) {
        onEnd();
        controller.error(error);
      }
    },
    async cancel(reason) {
      onEnd();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return new Response(body, { status: response.status, headers: response.headers });
}

/** Writes of requests that nobody proven sent: outside authentication. */
export function auditStrangers({ policy, log, clock }: AuditDeps): Filter {
  return async (exchange, next) => {
    try {
      return await next(exchange);
    } catch (error) {
      // Refused before there was anyone to write of.
      const isStranger = exchange.audit === undefined && error instanceof ApiError && error.status.code === 401;
      if (!isStranger) throw error;
      const verdict = judge(policy, null, attributesOf(exchange.info));
      if (verdict !== null && !verdict.omitStages.has("ResponseStarted")) {
        const header = exchange.request.headers.get("authorization");
        const message = header === null
          ? "Authentication failed, no credentials provided"
          : `Authentication failed, attempted: ${/^\s*bearer\s/i.test(header) ? "bearer" : "basic"}`;
        const status = { metadata: {}, status: "Failure", message, reason: "Unauthorized", code: 401 };
        const audited = { verdict, receivedAt: clock.now(), exchange, user: null, annotations: {} };
        log.write(eventOf(audited, "ResponseStarted", clock.now(), { status }));
      }
      throw error;
    }
  };
}
