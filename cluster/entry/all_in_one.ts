import { createMetrics } from "../../platform/deno/mod.ts";
import type { Component } from "../../platform/mod.ts";
import { type ComponentKind, componentsOf, indexOf } from "../plan.ts";
import { type Entry, runEntry, showProcess } from "./_entry.ts";
import { apiserver } from "./apiserver.ts";
import { balancer } from "./balancer.ts";
import { controllerManager } from "./controller_manager.ts";
import { etcd } from "./etcd.ts";
import { hollowNodes } from "./hollow_nodes.ts";
import { kubelet } from "./kubelet.ts";
import { proxy } from "./proxy.ts";
import { scheduler } from "./scheduler.ts";
import { store } from "./store.ts";

type Enter = (entry: Entry) => Promise<Component> | Component;

const entries: Readonly<Record<Exclude<ComponentKind, "all-in-one">, Enter>> = {
  store,
  apiserver,
  balancer,
  "controller-manager": controllerManager,
  scheduler,
  kubelet,
  proxy,
  "hollow-nodes": hollowNodes,
  etcd,
};

/**
 * Every component of the cluster in this process, each through the same factory and the same sockets as in one of its
 * own: a runtime and its compiled code once instead of twenty times. The price: Raft shares the event loop with all
 * others, one crash takes all down (and the supervisor starts all again), and nothing can be killed by itself.
 */
export async function allInOne(entry: Entry): Promise<Component> {
  const components: Component[] = [];
  for (const plan of componentsOf(entry.spec)) {
    if (plan.kind === "all-in-one") continue;
    const enter = entries[plan.kind];
    // Each is scraped at its own address, and shows of its own what others show too.
    const metrics = createMetrics();
    showProcess(metrics);
    const platform = { ...entry.platform, metrics };
    // Only whoever has a process of its own has a role to report.
    components.push(await enter({ ...entry, platform, plan, index: indexOf(plan.name), reportRole: () => {} }));
  }
  entry.reportRole("", `${components.length} components`);
  return {
    ready: Promise.all(components.map((each) => each.ready)).then(() => {}),
    // Clients before servers, as the supervisor ends processes.
    async stop() {
      for (const component of components.reverse()) await component.stop();
    },
  };
}

if (import.meta.main) await runEntry(allInOne);
