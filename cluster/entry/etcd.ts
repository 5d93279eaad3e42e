import { http2, sha256 } from "../../platform/deno/mod.ts";
import type { Component } from "../../platform/mod.ts";
import { createGateway } from "../../store/etcd/mod.ts";
import { connectStore } from "../../store/mod.ts";
import { etcdHost, etcdPort, etcdUrl, storeClientAddress } from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";

export async function etcd({ spec, index, platform }: Entry): Promise<Component> {
  const members = Array.from({ length: spec.controlPlanes }, (_, i) => `store-${i}`);
  const ownFirst = members.map((_, i) => storeClientAddress((index + i) % members.length));
  const store = connectStore({ endpoints: ownFirst }, platform);
  const own = connectStore({ endpoints: ownFirst.slice(0, 1) }, platform);
  const gateway = createGateway(
    {
      clusterId: spec.clusterId,
      memberId: `store-${index}`,
      clientUrl: (memberId) => members.includes(memberId) ? etcdUrl(spec, members.indexOf(memberId)) : null,
    },
    { store, own },
    { ...platform, sha256 },
  );
  const listener = await http2.serve({
    address: `tcp:${etcdHost(spec, index)}:${etcdPort}`,
    tls: readIdentity("etcd-server", "etcd-ca"),
    onStream: gateway.handler,
  });
  return {
    ready: Promise.resolve(),
    async stop() {
      await listener.close();
      gateway.close();
      store.close();
      own.close();
    },
  };
}

if (import.meta.main) await runEntry(etcd);
