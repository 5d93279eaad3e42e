import { storeEngineFlags, storeEnvironment } from "../../cluster/store_environment.ts";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import { connectStore, type Store } from "../../store/mod.ts";
import { type Client, eventually, memberCount, MemberProcess, type Running, type Target } from "./target.ts";

export function addressesIn(directory: string) {
  return Array.from({ length: memberCount }, (_, i) => ({
    id: `store-${i}`,
    peerAddress: `unix:${directory}/${i}.peer`,
    clientAddress: `unix:${directory}/${i}.client`,
  }));
}

const platform = createDenoPlatform({ component: "bench", logLevel: "error" });

/** Three members as `cluster up` starts them, and the client that the apiservers use. */
export const sauropod: Target = {
  name: "sauropod",
  about: "timers fast; unix sockets, msgpack frames; fdatasync before any acknowledgement",
  start(directory) {
    const members = addressesIn(directory);
    const script = new URL("member.ts", import.meta.url).pathname;
    const processes = members.map((_, i) =>
      new MemberProcess(() =>
        new Deno.Command(Deno.execPath(), {
          args: [
            "run",
            "--allow-all",
            "--quiet",
            "--no-check",
            "--cached-only",
            storeEngineFlags,
            script,
            `${i}`,
            directory,
          ],
          env: storeEnvironment(),
          stdin: "null",
          stdout: "null",
        }).spawn()
      )
    );
    const connect = (first: number) => {
      const addresses = members.map((member) => member.clientAddress);
      return connectStore({ endpoints: [...addresses.slice(first), ...addresses.slice(0, first)] }, platform);
    };
    const leaderFrom = (store: Store, ids: readonly string[]) =>
      eventually("a leader", async () => {
        const { leaderId } = await store.status();
        const index = ids.indexOf(leaderId);
        if (index === -1) throw new Error("no leader");
        return index;
      });
    const ids = members.map((member) => member.id);
    const running: Running = {
      get pids() {
        return processes.map((each) => each.pid);
      },
      open: (first) => Promise.resolve(clientOf(connect(first))),
      async leader() {
        const store = connect(0);
        try {
          return await leaderFrom(store, ids);
        } finally {
          store.close();
        }
      },
      async term() {
        const store = connect(0);
        try {
          return (await store.status()).term;
        } finally {
          store.close();
        }
      },
      async restart(member) {
        await processes[member]?.again();
        const alone = connectStore({ endpoints: [members[member]?.clientAddress ?? ""] }, platform);
        try {
          await leaderFrom(alone, ids);
        } finally {
          alone.close();
        }
      },
      async stop() {
        await Promise.all(processes.map((each) => each.end()));
      },
    };
    return running;
  },
};

function clientOf(store: Store): Client {
  return {
    async put(key, value) {
      await store.txn({ compare: [], success: [{ kind: "put", key, value }], failure: [] });
    },
    async get(key) {
      const { count } = await store.range({ key });
      if (count !== 1) throw new Error("The key is not there");
    },
    watch(key, onEvent) {
      return new Promise((resolve, reject) => {
        store.watch({ key }, {
          onCreated: () => resolve(),
          onEvents: (events) => events.forEach(onEvent),
          onClose: (error) => reject(error ?? new Error("closed")),
        });
      });
    },
    close: () => store.close(),
  };
}
