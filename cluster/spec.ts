import type { ApiServerOptions } from "./api_server_options.ts";
import { CliError, exitCode } from "./errors.ts";
import { dataDirectory, layout, readTextIfPresent } from "./home.ts";
import type { StoreOptions } from "./store_options.ts";
import type { TimerProfile } from "./timers.ts";

/** Safety rules that a test-only cluster's store leaves out, to prove that the checkers notice. */
export const storeBugs = ["skip-fsync", "lease-read-no-check", "ack-before-quorum"] as const;
export type StoreBug = typeof storeBugs[number];

/** What a cluster is: written once by `up`, read by every process of it. Everything else is derived (`plan.ts`). */
export interface ClusterSpec {
  /** Of this file's shape. */
  readonly version: 1;
  readonly name: string;
  /** Random; a store member refuses peers of another cluster. */
  readonly clusterId: string;
  /** Stores, apiservers, controller managers and schedulers: this many of each. Odd. */
  readonly controlPlanes: number;
  readonly workers: number;
  readonly runtime: "process" | "hollow";
  /** All components in one process. */
  readonly allInOne?: boolean;
  /** Simulated nodes, all in one process. */
  readonly hollowNodes: number;
  readonly timers: TimerProfile;
  /** Second octet of the cluster's own 127.x.0.0/16. */
  readonly slice: number;
  /** False: nobody judges nodes by their heartbeats, so Node objects without a kubelet stay as they were posted. */
  readonly nodeLifecycle?: boolean;
  /** A real etcd in the place of our own members; absent: ours. */
  readonly store?: ExternalStore;
  /**
   * Which members the store has, by the number in their names, and the first number that none has ever had; absent: one a
   * control plane, as in the beginning. A number is never used again: who voted under it has voted.
   */
  readonly storeMembers?: { readonly numbers: readonly number[]; readonly next: number };
  /** What the store's members were told beyond the default. */
  readonly storeOptions?: StoreOptions;
  /** What is left of long leases survives a change of the store's leader. */
  readonly leaseCheckpoints?: boolean;
  /** Test-only: the store is wrong in this way. Set when the cluster is made, never afterwards. */
  readonly bug?: StoreBug;
  /** Test-only: SIGKILL is a power failure to the store, which loses what it had not synced. */
  readonly losesPageCache?: boolean;
  /** Only the store's members run: for experiments on the store alone. */
  readonly storeOnly?: boolean;
  /** What the apiservers were told beyond the default. */
  readonly apiServer?: ApiServerOptions;
  /** Of a million requests so many begin a trace; absent: none does by itself. */
  readonly traceSamplingPerMillion?: number;
  /** The balancer's port on 127.0.0.1: the one address in the kubeconfig. */
  readonly port: number;
}

export interface ExternalStore {
  /** `tcp:host:port` */
  readonly endpoints: readonly string[];
  /** Its authority's, and the client's certificate and key, are in `pki/`. False: without TLS. */
  readonly tls: boolean;
  readonly clientCertificate: boolean;
}

const namePattern = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

export function checkName(name: string): string {
  if (!namePattern.test(name)) {
    throw new CliError(
      exitCode.usage,
      `Invalid cluster name "${name}": use up to 40 lower-case letters, digits and dashes, beginning and ending with a letter or digit`,
    );
  }
  return name;
}

/** The spec of an existing cluster, or null. */
export async function readSpec(name: string): Promise<ClusterSpec | null> {
  const path = `${dataDirectory(name)}/${layout.spec}`;
  const text = await readTextIfPresent(path);
  if (text === null) return null;
  return parseSpec(text, path);
}

export async function requireSpec(name: string): Promise<ClusterSpec> {
  const spec = await readSpec(checkName(name));
  if (spec === null) {
    throw new CliError(exitCode.notReady, `No cluster named "${name}"`, {
      hint: `deno task cluster list shows what there is; deno task cluster up --name ${name} makes it`,
    });
  }
  return spec;
}

export function parseSpec(text: string, path: string): ClusterSpec {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CliError(exitCode.failed, `Cannot read ${path}: it is not JSON`, { cause });
  }
  if (!isSpec(value)) throw new CliError(exitCode.failed, `Cannot read ${path}: it is not a cluster of this version`);
  return value;
}

function isSpec(value: unknown): value is ClusterSpec {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Record<string, unknown>;
  const isCount = (field: string) => Number.isSafeInteger(record[field]) && Number(record[field]) >= 0;
  return record.version === 1 && typeof record.name === "string" && typeof record.clusterId === "string" &&
    ["controlPlanes", "workers", "hollowNodes", "slice", "port"].every(isCount) &&
    (record.storeMembers === undefined || isStoreMembers(record.storeMembers)) &&
    (record.bug === undefined || storeBugs.some((bug) => bug === record.bug)) &&
    (record.runtime === "process" || record.runtime === "hollow") &&
    (record.timers === "fast" || record.timers === "upstream");
}

function isStoreMembers(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { numbers, next } = value as { numbers?: unknown; next?: unknown };
  return Array.isArray(numbers) && numbers.length > 0 && Number.isSafeInteger(next) &&
    numbers.every((each) => Number.isSafeInteger(each) && each >= 0 && each < Number(next));
}
