import type { GrpcContext, GrpcMethod } from "../../platform/grpc/mod.ts";
import { GrpcError } from "../../platform/grpc/mod.ts";
import type { Clock, Log, Scratch, Timers } from "../../platform/mod.ts";
import type { Store } from "../types.ts";
import { toEtcd } from "./errors.ts";
import type { Headers } from "./headers.ts";
import { etcdCodec, type Input, type Message, type MessageName } from "./messages.ts";

/** What every service of the facade works with. */
export interface Facade {
  /** The cluster, through whichever member serves. */
  readonly store: Store;
  /** This gateway's own member: what is asked of "this endpoint". */
  readonly own: Store;
  readonly headers: Headers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly sha256: Sha256;
  readonly openScratch: () => Scratch;
}

/** Begins a SHA-256 over bytes that come in pieces. */
export type Sha256 = () => Promise<{ update(bytes: Uint8Array): void; digest(): Uint8Array }>;

/** A method that takes one message and answers with one. */
export function unary<Q extends MessageName, A extends MessageName>(
  request: Q,
  answer: A,
  handle: (message: Message<Q>, context: GrpcContext) => Promise<Input<A>>,
): GrpcMethod {
  return {
    kind: "unary",
    async handle(bytes, context) {
      try {
        return etcdCodec.encode(answer, await handle(etcdCodec.decode(request, bytes), context));
      } catch (error) {
        throw toEtcd(error);
      }
    },
  };
}

/** As {@linkcode toEtcd}, for a stream's end, logging what is a bug. */
export function streamError(error: unknown, log: Log): GrpcError {
  const mapped = toEtcd(error);
  if (mapped instanceof GrpcError) return mapped;
  log.error("an etcd stream failed", { error });
  return new GrpcError(13, "internal error");
}
