import { fromUtf8, prefixEnd, utf8 } from "../../base/bytes.ts";
import type { KubeObject } from "../../api/meta.ts";
import { endpoints, endpointSlices, type ResourceInfo } from "../../api/resources.ts";
import { ApiError } from "../../api/status.ts";
import type { Timer } from "../../platform/mod.ts";
import { type LeaseId, StoreError } from "../../store/types.ts";
import { isRecord, text, whole } from "../dig.ts";
import { equalJson } from "../equal.ts";
import type { Registry } from "../registry/context.ts";
import { create } from "../registry/create.ts";
import { modify, type Next } from "../registry/write.ts";
import { loopbackUser } from "./objects.ts";

const prefix = "/registry/masterleases/";

/**
 * Keeps the EndpointSlice and the Endpoints of the `kubernetes` Service equal to the apiservers that live (upstream's lease endpoint
 * reconciler): each holds a key under a store lease, and each writes both from the keys that it finds.
 */
export class EndpointReconciler {
  readonly #registry: Registry;
  readonly #periodMs: number;
  #lease: LeaseId | null = null;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#periodMs = registry.config.timers.endpointReconcileMs ?? 10_000;
  }

  /** Resolves after the first round. */
  async start(): Promise<void> {
    await this.#round();
  }

  /** Leaves the slice to the others, who drop this server at their next round. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    const lease = this.#lease;
    this.#lease = null;
    if (lease === null) return;
    try {
      await this.#registry.store.store.leaseRevoke(lease);
    } catch (error) {
      // It expires by itself.
      this.#registry.log.debug("Cannot revoke the endpoint lease", { error: String(error) });
    }
  }

  async #round(): Promise<void> {
    try {
      await this.#renew();
      await this.#publish(await this.#living());
    } catch (error) {
      this.#registry.log.warn("Cannot reconcile the kubernetes endpoints", { error: String(error) });
    }
    if (this.#stopped) return;
    this.#timer = this.#registry.timers.schedule(this.#periodMs, () => void this.#round());
  }

  async #renew(): Promise<void> {
    const { store, config } = this.#registry;
    if (this.#lease !== null) {
      try {
        await store.store.leaseKeepAlive(this.#lease);
        return;
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== "LeaseNotFound") throw error;
        this.#lease = null;
      }
    }
    const lease = await store.leaseGrant(Math.max(1, Math.ceil((this.#periodMs * 1.5) / 1000)));
    const key = utf8(`${prefix}${config.name}`);
    const value = utf8(JSON.stringify(config.advertise));
    await store.store.txn({ compare: [], success: [{ kind: "put", key, value, lease }], failure: [] });
    if (this.#stopped) return;
    this.#lease = lease;
  }

  /** Addresses that serve on our port, sorted. */
  async #living(): Promise<string[]> {
    const key = utf8(prefix);
    const found = await this.#registry.store.range({ key, rangeEnd: prefixEnd(key) });
    const addresses = new Set<string>();
    for (const kv of found.kvs) {
      const value: unknown = JSON.parse(fromUtf8(kv.value));
      if (isRecord(value) && whole(value["port"]) === this.#registry.config.advertise.port) {
        addresses.add(text(value["address"]));
      }
    }
    return [...addresses].sort();
  }

  async #publish(addresses: readonly string[]): Promise<void> {
    const { port } = this.#registry.config.advertise;
    await this.#write(endpointSlices, sliceOf(addresses, port), ["endpoints", "ports"]);
    await this.#write(endpoints, endpointsOf(addresses, port), ["subsets"]);
  }

  /** Creates the object, or gives the one that is there its `content`. */
  async #write(info: ResourceInfo, wanted: KubeObject, content: readonly string[]): Promise<void> {
    const registry = this.#registry;
    const strategy = registry.strategy(info);
    const context = { user: loopbackUser, dryRun: false, warnings: [] };
    const target = { strategy, namespace: "default", name: "kubernetes" };
    if (strategy.cache.get("default", "kubernetes") === undefined) {
      try {
        await create(registry, context, strategy, "default", wanted);
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
      }
    }
    await modify(registry, context, {
      ...target,
      next: ({ object }): Next => {
        if (object === null) return { kind: "put", object: wanted };
        const changed = Object.fromEntries(content.map((field) => [field, fields(wanted)[field]]));
        const next = Object.assign(structuredClone(object), changed);
        if (equalJson(next, object)) return { kind: "keep" };
        if (info === endpointSlices) {
          next.metadata = { ...next.metadata, generation: (object.metadata?.generation ?? 0) + 1 };
        }
        return { kind: "put", object: next };
      },
    });
  }
}

function fields(object: KubeObject): Readonly<Record<string, unknown>> {
  return { ...object };
}

function sliceOf(addresses: readonly string[], port: number): KubeObject {
  const slice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { "kubernetes.io/service-name": "kubernetes" },
    },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: "https", port, protocol: "TCP" }],
  };
  return slice;
}

function endpointsOf(addresses: readonly string[], port: number): KubeObject {
  const object = {
    apiVersion: "v1",
    kind: "Endpoints",
    // The slice is written beside it: nobody has to mirror this one.
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { "endpointslice.kubernetes.io/skip-mirror": "true" },
    },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ name: "https", port, protocol: "TCP" }] }],
  };
  return object;
}
