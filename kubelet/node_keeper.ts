import type { KubeObject } from "../api/meta.ts";
import type { Lease, Node } from "../api/gen/types.ts";
import { leases, nodes } from "../api/resources.ts";
import { formatMicroTime } from "../api/time.ts";
import { isAlreadyExists, isConflict, isNotFound, type RestClient } from "../client/mod.ts";
import type { Clock, Log, Random, Timer, Timers } from "../platform/mod.ts";
import { type NodeDescription, nodeLabels, nodeObject, nodeStatus, nodeStatusDiffers } from "./core/node.ts";
import * as limits from "./limits.ts";

type NodeObject = Node & KubeObject;
type LeaseObject = Lease & KubeObject;

const leaseNamespace = "kube-node-lease";

export interface NodeKeeperDeps {
  readonly client: RestClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
}

export interface NodeKeeperTimers {
  readonly heartbeatMs: number;
  /** Stated in the lease; who watches nodes has a timeout of its own. */
  readonly leaseDurationMs: number;
}

/** Registers the Node, keeps its status true, and renews its Lease (KEP-589). */
export class NodeKeeper {
  readonly registered: Promise<void>;
  readonly #node: NodeDescription;
  readonly #periods: NodeKeeperTimers;
  readonly #deps: NodeKeeperDeps;
  readonly #abort = new AbortController();
  readonly #resolveRegistered: () => void;
  #current: Readonly<NodeObject> | null = null;
  #lease: LeaseObject | null = null;
  #timer: Timer | null = null;
  #reportedAtMs = -Infinity;
  #reporting = false;

  constructor(node: NodeDescription, periods: NodeKeeperTimers, deps: NodeKeeperDeps) {
    this.#node = node;
    this.#periods = periods;
    this.#deps = deps;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.registered = promise;
    this.#resolveRegistered = resolve;
  }

  start(): void {
    void this.#register().then(() => this.#beat());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#abort.abort(new Error("the kubelet stops"));
  }

  /** The API's Node changed: a controller may have called it unready, which it is not. */
  nodeChanged(node: Readonly<NodeObject>): void {
    this.#current = node;
    void this.#report();
  }

  /** Somebody deleted the Node: a kubelet that runs registers again. */
  nodeDeleted(): void {
    this.#current = null;
    if (!this.#abort.signal.aborted) void this.#register();
  }

  async #register(): Promise<void> {
    const { client, clock } = this.#deps;
    await this.#retry("register node", async () => {
      try {
        this.#current = await client.create<NodeObject>(nodes, nodeObject(this.#node, clock.now()));
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        this.#current = await client.get<NodeObject>(nodes, this.#node.name);
        const labels = nodeLabels(this.#node);
        const old = this.#current.metadata?.labels ?? {};
        if (Object.entries(labels).some(([key, value]) => old[key] !== value)) {
          const target = { name: this.#node.name };
          this.#current = await client.patch<NodeObject>(nodes, target, "merge", { metadata: { labels } });
        }
      }
      await this.#writeStatus(this.#current);
    });
    this.#resolveRegistered();
  }

  async #writeStatus(current: Readonly<NodeObject>): Promise<void> {
    const { client, clock } = this.#deps;
    const status = nodeStatus(this.#node, current.status, clock.now());
    const due = clock.monotonic() - this.#reportedAtMs >= limits.nodeStatusReportMs;
    if (!due && !nodeStatusDiffers(current.status, status)) return;
    const target = { name: this.#node.name, subresource: "status" };
    this.#current = await client.patch<NodeObject>(nodes, target, "strategic", { status });
    this.#reportedAtMs = clock.monotonic();
  }

  async #report(): Promise<void> {
    if (this.#reporting) return;
    this.#reporting = true;
    try {
      await this.#retry("write node status", async () => {
        if (this.#current !== null) await this.#writeStatus(this.#current);
      });
    } finally {
      this.#reporting = false;
    }
  }

  async #beat(): Promise<void> {
    const { timers, clock, log, random } = this.#deps;
    if (this.#abort.signal.aborted) return;
    let delayMs = this.#periods.heartbeatMs;
    try {
      await this.#renew();
      if (clock.monotonic() - this.#reportedAtMs >= limits.nodeStatusReportMs) void this.#report();
    } catch (error) {
      log.warn("lease not renewed", { node: this.#node.name, error: String(error) });
      delayMs = Math.min(delayMs, limits.apiRetryMs * (1 + random.next()));
    }
    if (this.#abort.signal.aborted) return;
    // A tenth of jitter keeps thousands of kubelets from beating as one.
    this.#timer = timers.schedule(delayMs * (0.95 + random.next() * 0.1), () => void this.#beat());
  }

  async #renew(): Promise<void> {
    const { client, clock } = this.#deps;
    const { name } = this.#node;
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: Math.max(1, Math.ceil(this.#periods.leaseDurationMs / 1000)),
      renewTime: formatMicroTime(clock.now()),
    };
    try {
      if (this.#lease === null) {
        const uid = this.#current?.metadata?.uid;
        const ownerReferences = uid === undefined ? [] : [{ apiVersion: "v1", kind: "Node", name, uid }];
        const metadata = { name, namespace: leaseNamespace, ownerReferences };
        this.#lease = await client.create<LeaseObject>(leases, { metadata, spec });
      } else {
        this.#lease = await client.update<LeaseObject>(leases, {
          ...this.#lease,
          spec: { ...this.#lease.spec, ...spec },
        });
      }
    } catch (error) {
      if (isAlreadyExists(error) || isConflict(error)) {
        const found = await client.get<LeaseObject>(leases, name, leaseNamespace);
        this.#lease = await client.update<LeaseObject>(leases, { ...found, spec: { ...found.spec, ...spec } });
      } else {
        if (isNotFound(error)) this.#lease = null;
        throw error;
      }
    }
  }

  async #retry(what: string, work: () => Promise<void>): Promise<void> {
    const { timers, random, log } = this.#deps;
    const { signal } = this.#abort;
    for (let waitMs = limits.apiRetryMs; !signal.aborted; waitMs = Math.min(waitMs * 2, limits.apiRetryMaxMs)) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) return;
        log.warn(`cannot ${what}, will try again`, { node: this.#node.name, waitMs, error: String(error) });
        await timers.sleep(waitMs * (0.5 + random.next()), signal).catch(() => {});
      }
    }
  }
}
