import type { Lease } from "../../api/gen/types.ts";
import { leases } from "../../api/resources.ts";
import type { Platform } from "../../platform/mod.ts";
import { adminClient } from "../api_access.ts";
import type { ComponentStatus } from "../control.ts";
import { externalStorePki } from "../external_store.ts";
import { dataDirectory, layout } from "../home.ts";
import { askFaults, askStatus } from "../lifecycle.ts";
import { electionLeases } from "../lease_release.ts";
import { balancerUrl, componentsOf, etcdUrl, metricsUrl, planOf, storeMembers } from "../plan.ts";
import { residentBytes } from "../processes.ts";
import type { ClusterSpec } from "../spec.ts";
import { describeFaults } from "./chaos_faults.ts";
import { megabytes, table } from "./output.ts";

export interface ComponentRow {
  readonly name: string;
  readonly kind: string;
  readonly node: string | null;
  readonly pid: number | null;
  readonly address: string;
  readonly role: string;
  readonly ready: boolean;
}

export interface EtcdTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** What `status -o json` prints; scripts rely on this shape. */
export interface ClusterStatus {
  readonly name: string;
  readonly kubeconfig: string;
  readonly apiServer: string;
  /** Client endpoints that speak etcd's v3 API, one a member. */
  readonly etcd: readonly string[];
  /** Paths of the files that a client of them needs; null without TLS. */
  readonly etcdTls: EtcdTls | null;
  readonly components: readonly ComponentRow[];
  /** Where each component is scraped, also where one process holds them all. */
  readonly metrics: readonly { readonly component: string; readonly url: string }[];
}

const apiTimeoutMs = 2_000;

/** The supervisor's view, with the leaders of the lease-elected components filled in from the API when it answers. */
export async function componentStatuses(spec: ClusterSpec, platform: Platform): Promise<readonly ComponentStatus[]> {
  const status = await askStatus(spec.name, platform);
  if (status === null) return planOf(spec).map(stoppedStatus);
  const holders = await leaseHolders(spec, platform);
  return status.components.map((each) => {
    const holder = holders.get(each.kind);
    if (holder === undefined || !each.ready) return each;
    return { ...each, role: holder === each.name ? "leader" : "standby" };
  });
}

function stoppedStatus(plan: ReturnType<typeof planOf>[number]): ComponentStatus {
  return { ...plan, pid: null, role: "", detail: "", ready: false, state: "stopped", restarts: 0, readyAfterMs: null };
}

/** Component kind -> identity of the leader. */
async function leaseHolders(spec: ClusterSpec, platform: Platform): Promise<Map<string, string>> {
  const holders = new Map<string, string>();
  const read = async () => {
    const client = adminClient(spec, platform);
    await Promise.all(
      Object.entries(electionLeases).map(async ([kind, name]) => {
        const lease = await client.get<Lease>(leases, name, "kube-system").catch(() => null);
        const holder = lease?.spec?.holderIdentity;
        if (holder !== undefined && holder !== "") holders.set(kind, holder);
      }),
    );
  };
  await Promise.race([read(), platform.timers.sleep(apiTimeoutMs)]);
  return holders;
}

export async function statusJson(spec: ClusterSpec, platform: Platform): Promise<ClusterStatus> {
  const components = await componentStatuses(spec, platform);
  return {
    name: spec.name,
    kubeconfig: `${dataDirectory(spec.name)}/${layout.kubeconfig}`,
    apiServer: balancerUrl(spec),
    etcd: etcdEndpoints(spec),
    etcdTls: etcdTls(spec),
    components: components.map(({ name, kind, node, pid, address, role, ready }) => ({
      name,
      kind,
      node,
      pid,
      address,
      role,
      ready,
    })),
    metrics: componentsOf(spec).flatMap((plan) => {
      const url = metricsUrl(spec, plan);
      return url === null ? [] : [{ component: plan.name, url }];
    }),
  };
}

function etcdEndpoints(spec: ClusterSpec): string[] {
  if (spec.store !== undefined) {
    const scheme = spec.store.tls ? "https" : "http";
    return spec.store.endpoints.map((endpoint) => endpoint.replace(/^tcp:/, `${scheme}://`));
  }
  return storeMembers(spec).map((number) => etcdUrl(spec, number));
}

function etcdTls(spec: ClusterSpec): EtcdTls | null {
  const pki = `${dataDirectory(spec.name)}/${layout.pki}`;
  if (spec.store === undefined) {
    return { caFile: `${pki}/etcd-ca.crt`, certFile: `${pki}/etcd-client.crt`, keyFile: `${pki}/etcd-client.key` };
  }
  if (!spec.store.tls) return null;
  const { ca, cert, key } = externalStorePki;
  return { caFile: `${pki}/${ca}`, certFile: `${pki}/${cert}`, keyFile: `${pki}/${key}` };
}

/** How to ask the store with etcd's own client. */
export function etcdctlHint(spec: ClusterSpec): string {
  const tls = etcdTls(spec);
  const files = tls === null ? "" : ` --cacert=${tls.caFile} --cert=${tls.certFile} --key=${tls.keyFile}`;
  return `etcd API: ETCDCTL_API=3 etcdctl --endpoints=${
    etcdEndpoints(spec).join(",")
  }${files} endpoint status -w table`;
}

/** The table of what runs, and the memory of all of it. */
export async function statusTable(spec: ClusterSpec, platform: Platform): Promise<{ text: string; memory: string }> {
  const components = await componentStatuses(spec, platform);
  const resident = components.map((each) => each.pid === null ? 0 : residentBytes(each.pid));
  const rows = components.map((each, i) => [
    each.name,
    each.state === "ready" ? "Ready" : each.state,
    each.role,
    each.pid === null ? "-" : String(each.pid),
    megabytes(resident[i] ?? 0),
    String(each.restarts),
    each.address,
    each.detail,
  ]);
  const supervisor = await askStatus(spec.name, platform);
  const supervisorBytes = supervisor === null ? 0 : residentBytes(supervisor.supervisorPid);
  rows.push([
    "supervisor",
    supervisor === null ? "stopped" : "Ready",
    "",
    supervisor === null ? "-" : String(supervisor.supervisorPid),
    megabytes(supervisorBytes),
    "0",
    "",
    "",
  ]);
  const faults = supervisor === null ? [] : describeFaults((await askFaults(spec.name, null, platform)).table);
  const total = resident.reduce((sum, each) => sum + each, supervisorBytes);
  return {
    text: [
      ...(spec.bug === undefined ? [] : [`TEST-ONLY CLUSTER: its store is wrong on purpose (${spec.bug})`, ""]),
      table(["COMPONENT", "STATE", "ROLE", "PID", "MEMORY", "RESTARTS", "ADDRESS", "DETAIL"], rows),
      ...(faults.length > 0 ? ["", "BROKEN ON PURPOSE (deno task cluster chaos heal ends it):"] : []),
      ...faults.map((fault) => `  ${fault}`),
    ].join("\n"),
    memory: megabytes(total),
  };
}
