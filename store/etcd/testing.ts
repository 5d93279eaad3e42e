import { GrpcClient, type GrpcClientCall, GrpcError } from "../../platform/grpc/mod.ts";
import { connectedPair, settle } from "../../platform/http2/testing.ts";
import { sha256 } from "../../platform/deno/mod.ts";
import { createWorld, type World } from "../../platform/sim/mod.ts";
import { createLocalStore, type LocalStore } from "../local.ts";
import type { Store } from "../types.ts";
import { createGateway } from "./gateway.ts";
import { etcdCodec, type Input, type Message, type MessageName } from "./messages.ts";

/** For tests: a gateway over a store, and a client of it, in one process and on virtual time. */
export interface Bench {
  readonly world: World;
  readonly store: LocalStore;
  readonly grpc: GrpcClient;
  call<Q extends MessageName, A extends MessageName>(
    path: string,
    types: readonly [Q, A],
    request: Input<Q>,
  ): Promise<Message<A>>;
  open<Q extends MessageName, A extends MessageName>(
    path: string,
    types: readonly [Q, A],
    metadata?: readonly [string, string][],
  ): Promise<OpenCall<Q, A>>;
}

export interface OpenCall<Q extends MessageName, A extends MessageName> {
  readonly answers: Message<A>[];
  readonly ended: Promise<GrpcError | null>;
  readonly raw: GrpcClientCall;
  send(message: Input<Q>): Promise<void>;
}

export async function withGateway(
  run: (bench: Bench) => Promise<void>,
  wrap: (store: LocalStore) => Store = (store) => store,
): Promise<void> {
  const world = createWorld({ seed: 1 });
  const { platform } = world.host("here");
  const store = createLocalStore(platform);
  const config = {
    clusterId: "cluster",
    memberId: "local",
    clientUrl: () => "https://here:2379",
    scratchDirectory: "/",
  };
  const gateway = createGateway(config, { store: wrap(store), own: store }, { ...platform, sha256 });
  const clientOf = (metadata: readonly [string, string][]) =>
    new GrpcClient({ address: "tcp:here:2379", metadata }, {
      timers: platform.timers,
      dial: () =>
        Promise.resolve(
          connectedPair({ onStream: (stream, fields, ended) => gateway.handler(stream, fields, ended, null) }).client,
        ),
    });
  const grpc = clientOf([]);
  const bench: Bench = {
    world,
    store,
    grpc,
    async call(path, [request, answer], message) {
      return etcdCodec.decode(answer, await grpc.unary(path, etcdCodec.encode(request, message), 1_000));
    },
    async open<Q extends MessageName, A extends MessageName>(
      path: string,
      [request, answer]: readonly [Q, A],
      metadata: readonly [string, string][] = [],
    ) {
      const answers: Message<A>[] = [];
      const ended = Promise.withResolvers<GrpcError | null>();
      const raw = await clientOf(metadata).stream(path, {
        onMessage: (bytes) => void answers.push(etcdCodec.decode(answer, bytes)),
        onEnd: ended.resolve,
      }, 1_000);
      return {
        answers,
        ended: ended.promise,
        raw,
        async send(message: Input<Q>) {
          raw.send(etcdCodec.encode(request, message));
          await settle();
        },
      };
    },
  };
  await run(bench);
  grpc.close();
  gateway.close();
  store.close();
}

/** `11 etcdserver: ...` of a call that must fail. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await call.then(() => null, (reason) => reason);
  return error instanceof GrpcError ? `${error.code} ${error.message}` : `no refusal: ${String(error)}`;
}
