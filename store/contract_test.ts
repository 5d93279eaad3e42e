import { createDenoPlatform, http2, sha256 } from "../platform/deno/mod.ts";
import { storeContract, type StoreUnderTest } from "./contract.ts";
import { connectEtcd, createGateway } from "./etcd/mod.ts";
import { etcdMissing, startEtcd } from "./etcd/test_etcd.ts";
import { createLocalStore } from "./local.ts";
import { startMember } from "./member.ts";
import { connectStore } from "./remote.ts";
import type { Store } from "./types.ts";

const platform = createDenoPlatform({ component: "contract", logLevel: "error" });
const etcdDeps = { ...platform, dialHttp2: http2.dial };

storeContract("in memory", () => {
  const store = createLocalStore(platform);
  return Promise.resolve({ store, close: async () => store.close() });
});

/** One member with a log, and a client of it over frames. */
async function remote(): Promise<StoreUnderTest> {
  const directory = await Deno.makeTempDir({ prefix: "store-contract-" });
  const clientAddress = `unix:${directory}/c.sock`;
  const member = await startMember({
    clusterId: "contract",
    id: "one",
    members: [{ id: "one", peerAddress: `unix:${directory}/p.sock`, clientAddress }],
    dataDirectory: `${directory}/data`,
    timers: { tickMs: 10, heartbeatTicks: 1, electionTicks: 10 },
  }, platform);
  const store = connectStore({ endpoints: [clientAddress] }, platform);
  return {
    store,
    async close() {
      store.close();
      await member.stop();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

storeContract("a member behind frames", remote);

storeContract("our gateway behind etcd's API", async () => {
  const behind = await remote();
  const { clusterId, memberId } = { clusterId: "contract", memberId: "one" };
  const stores = { store: behind.store, own: behind.store };
  const gateway = createGateway({ clusterId, memberId, clientUrl: () => null, scratchDirectory: "/" }, stores, {
    ...platform,
    sha256,
  });
  const server = await http2.serve({ address: "tcp:127.0.0.1:0", onStream: gateway.handler });
  const store: Store = connectEtcd({ endpoints: [server.address] }, etcdDeps);
  return {
    store,
    async close() {
      store.close();
      await server.close();
      gateway.close();
      await behind.close();
    },
  };
});

storeContract("three members of a real etcd", async () => {
  const etcd = await startEtcd(3);
  const store = connectEtcd({ endpoints: etcd.endpoints }, etcdDeps);
  return {
    store,
    async close() {
      store.close();
      await etcd.stop();
    },
  };
}, etcdMissing());
