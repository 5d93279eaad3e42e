import { http2, sha256 } from "../../platform/deno/mod.ts";
import type { Component } from "../../platform/mod.ts";
import { createGateway } from "../../store/etcd/mod.ts";
import { connectStore } from "../../store/mod.ts";
import { layout } from "../home.ts";
import {
  etcdHost,
  etcdPort,
  etcdServerIdentity,
  etcdUrl,
  indexOf,
  storeClientAddress,
  storeClientAddresses,
  storeName,
} from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";
import { withMetrics } from "./_serving.ts";

export async function etcd(entry: Entry): Promise<Component> {
  const { spec, index, platform } = entry;
  const store = connectStore({ endpoints: storeClientAddresses(spec, index) }, platform);
  const own = connectStore({ endpoints: [storeClientAddress(index)], only: true }, platform);
  const gateway = createGateway(
    {
      clusterId: spec.clusterId,
      memberId: storeName(index),
      scratchDirectory: layout.run,
      // A member that nobody has started has no client address yet, and no gateway.
      clientUrl: ({ id, clientAddress }) => clientAddress === "" ? null : etcdUrl(spec, indexOf(id)),
    },
    { store, own },
    { ...platform, sha256 },
  );
  const listener = await http2.serve({
    address: `tcp:${etcdHost(spec, index)}:${etcdPort}`,
    tls: readIdentity(etcdServerIdentity(spec, index), "etcd-ca"),
    onStream: gateway.handler,
  });
  return await withMetrics(entry, {
    ready: Promise.resolve(),
    async stop() {
      await listener.close();
      gateway.close();
      store.close();
      own.close();
    },
  });
}

if (import.meta.main) await runEntry(etcd);
