import { type ApiServerRequest, readApiServerRequest } from "./api_server_options.ts";
import { CliError, exitCode } from "./errors.ts";
import { type ExternalStoreRequest, readExternalStore } from "./external_store.ts";
import { dataDirectory, ensureHome, layout, writeTextAtomic } from "./home.ts";
import { apiServerHost, etcdHost, hollowNodesHost, kubernetesServiceAddress, maxWorkers, nodeAddress } from "./plan.ts";
import { claimSlice, pickPort } from "./slices.ts";
import { checkName, type ClusterSpec, readSpec, type StoreBug } from "./spec.ts";
import { readStoreRequest, type StoreRequest } from "./store_options.ts";
import type { TimerProfile } from "./timers.ts";

/** What `up` was asked for, checked for range by {@linkcode provision}. */
export interface UpRequest {
  readonly name: string;
  readonly controlPlanes: number;
  readonly workers: number;
  readonly runtime: "auto" | "process" | "hollow" | "cri";
  readonly hollowNodes: number;
  readonly timers: TimerProfile;
  readonly port: number | undefined;
  /** A real etcd in the place of our own members. */
  readonly store?: ExternalStoreRequest;
  /** For benchmarks: the caller posts Node objects that no kubelet stands behind, and nobody judges them. */
  readonly bareNodes?: boolean;
  /** All components in one process. */
  readonly allInOne?: boolean;
  readonly apiServer?: ApiServerRequest;
  /** Of a million requests so many begin a trace. */
  readonly traceSampling?: number | undefined;
  /** Test-only: what is wrong with the store. */
  readonly bug?: StoreBug | undefined;
  readonly losesPageCache?: boolean;
  /** Only the store's members: for experiments on the store alone. */
  readonly storeOnly?: boolean;
  readonly leaseCheckpoints?: boolean;
  readonly storeOptions?: StoreRequest;
}

const maxControlPlanes = 7;
const maxHollowNodes = 5_000;

function checkRequest(request: UpRequest): void {
  checkName(request.name);
  const between = (flag: string, value: number, low: number, high: number) => {
    if (!Number.isSafeInteger(value) || value < low || value > high) {
      throw new CliError(exitCode.usage, `Invalid ${flag} ${value}: must be a whole number from ${low} to ${high}`);
    }
  };
  between("--control-planes", request.controlPlanes, 1, maxControlPlanes);
  if (request.controlPlanes % 2 === 0) {
    throw new CliError(
      exitCode.usage,
      `Invalid --control-planes ${request.controlPlanes}: an even number of members survives no more failures than one less`,
      { hint: `use ${request.controlPlanes - 1} or ${request.controlPlanes + 1}` },
    );
  }
  between("--workers", request.workers, 0, maxWorkers);
  between("--hollow-nodes", request.hollowNodes, 0, maxHollowNodes);
  if (request.workers + request.hollowNodes === 0 && request.bareNodes !== true && request.storeOnly !== true) {
    throw new CliError(exitCode.usage, "A cluster needs a node: --workers and --hollow-nodes are both 0");
  }
  if (request.port !== undefined) between("--port", request.port, 1, 65_535);
  if (request.traceSampling !== undefined) between("--trace-sampling", request.traceSampling, 0, 1_000_000);
  if (request.runtime === "cri") {
    throw new CliError(exitCode.failed, "The cri runtime is not built yet", {
      hint: "use --runtime process or hollow",
    });
  }
}

/**
 * Makes the data directory of a new cluster: addresses, certificates, spec. The directory is the claim on the name;
 * what fails half-way is taken away again by the caller ({@linkcode removeData}).
 */
export async function provision(request: UpRequest): Promise<ClusterSpec> {
  checkRequest(request);
  const external = request.store === undefined ? null : await readExternalStore(request.store);
  const storeOptions = readStoreRequest(request.storeOptions ?? {});
  if (external !== null && Object.values(request.storeOptions ?? {}).some((each) => each !== undefined)) {
    throw new CliError(exitCode.usage, "With --store the store is an etcd, which is told its flags itself");
  }
  const apiServer = await readApiServerRequest(request.apiServer ?? {});
  await ensureHome();
  const directory = dataDirectory(request.name);
  const existing = await readSpec(request.name);
  if (existing !== null || !await makeDirectory(directory)) throw alreadyThere(request.name);
  const slice = await claimSlice(request.name);
  const spec: ClusterSpec = {
    version: 1,
    name: request.name,
    clusterId: crypto.randomUUID(),
    controlPlanes: request.controlPlanes,
    workers: request.workers,
    runtime: request.runtime === "hollow" ? "hollow" : "process",
    hollowNodes: request.hollowNodes,
    timers: request.timers,
    ...(request.bareNodes === true ? { nodeLifecycle: false } : {}),
    ...(request.allInOne === true ? { allInOne: true } : {}),
    ...(Object.keys(apiServer.options).length === 0 ? {} : { apiServer: apiServer.options }),
    ...(external === null ? {} : { store: external.store }),
    ...(request.bug === undefined ? {} : { bug: request.bug }),
    ...(request.losesPageCache === true || request.bug === "skip-fsync" ? { losesPageCache: true } : {}),
    ...(request.storeOnly === true ? { storeOnly: true } : {}),
    ...(Object.keys(storeOptions).length === 0 ? {} : { storeOptions }),
    ...(request.leaseCheckpoints === true ? { leaseCheckpoints: true } : {}),
    ...(request.traceSampling === undefined ? {} : { traceSamplingPerMillion: request.traceSampling }),
    slice,
    port: pickPort(request.port),
  };
  await writePki(spec, `${directory}/${layout.pki}`);
  for (const [file, text] of external?.files ?? []) {
    await Deno.writeTextFile(`${directory}/${layout.pki}/${file}`, text, { mode: 0o600 });
  }
  if (apiServer.files.size > 0) await Deno.mkdir(`${directory}/${layout.config}`, { mode: 0o700 });
  for (const [file, text] of apiServer.files) {
    await Deno.writeTextFile(`${directory}/${layout.config}/${file}`, text, { mode: 0o600 });
  }
  await writeTextAtomic(`${directory}/${layout.spec}`, JSON.stringify(spec, null, 2) + "\n");
  return spec;
}

/** Thrown by {@linkcode provision} when the name is taken: nothing was made, so nothing is to be taken away. */
export class AlreadyThereError extends CliError {}

function alreadyThere(name: string): CliError {
  return new AlreadyThereError(exitCode.failed, `A cluster named "${name}" already exists`, {
    hint: `deno task cluster status --name ${name} shows it, start resumes it when stopped, down removes it`,
  });
}

async function makeDirectory(directory: string): Promise<boolean> {
  try {
    await Deno.mkdir(directory, { mode: 0o700 });
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) return false;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(exitCode.failed, `Cannot make the data directory ${directory}: ${reason}`, { cause });
  }
}

/** Every component gets a certificate of its own; its subject is its identity to the apiservers. */
async function writePki(spec: ClusterSpec, directory: string): Promise<void> {
  await Deno.mkdir(directory, { mode: 0o700 });
  // Loaded here: every other verb starts 100 ms sooner without the X.509 library.
  const { createAuthority, createSigningKey } = await import("./pki.ts");
  const ca = await createAuthority(`sauropod-${spec.name}-ca`);
  // An authority of its own, as upstream: whoever it certifies may read and write everything, Secrets included.
  const etcdCa = await createAuthority(`sauropod-${spec.name}-etcd-ca`);
  // So is this one: whoever it certifies may say who a request comes from.
  const frontProxyCa = await createAuthority(`sauropod-${spec.name}-front-proxy-ca`);
  const signing = await createSigningKey();
  const write = (file: string, text: string) => Deno.writeTextFile(`${directory}/${file}`, text, { mode: 0o600 });
  const issue = async (file: string, request: Parameters<typeof ca.issue>[0], by = ca) => {
    const pair = await by.issue(request);
    await Promise.all([write(`${file}.crt`, pair.cert), write(`${file}.key`, pair.key)]);
  };
  const client = (file: string, commonName: string, ...organizations: string[]) =>
    issue(file, { commonName, organizations, usage: "client" });
  const controlHosts = Array.from({ length: spec.controlPlanes }, (_, i) => apiServerHost(spec, i));
  const apiServerNames = [
    "localhost",
    "127.0.0.1",
    kubernetesServiceAddress(spec),
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    ...controlHosts,
  ];
  const etcdNames = ["localhost", ...Array.from({ length: spec.controlPlanes }, (_, i) => etcdHost(spec, i))];
  await Promise.all([
    write("ca.crt", ca.cert),
    write("ca.key", ca.key),
    write("etcd-ca.crt", etcdCa.cert),
    write("etcd-ca.key", etcdCa.key),
    issue("etcd-server", { commonName: "etcd", names: etcdNames, usage: "both" }, etcdCa),
    issue("etcd-client", { commonName: "root", usage: "client" }, etcdCa),
    write("front-proxy-ca.crt", frontProxyCa.cert),
    write("front-proxy-ca.key", frontProxyCa.key),
    issue("front-proxy-client", { commonName: "front-proxy-client", usage: "client" }, frontProxyCa),
    write("sa.key", signing.privateKey),
    write("sa.pub", signing.publicKey),
    issue("apiserver", { commonName: "kube-apiserver", names: apiServerNames, usage: "server" }),
    client("apiserver-kubelet-client", "kube-apiserver", "system:masters"),
    client("admin", "kubernetes-admin", "system:masters"),
    // Both serve their metrics at the apiservers' addresses.
    issue("controller-manager", { commonName: "system:kube-controller-manager", names: controlHosts, usage: "both" }),
    issue("scheduler", { commonName: "system:kube-scheduler", names: controlHosts, usage: "both" }),
    client("proxy", "system:kube-proxy"),
    ...(spec.hollowNodes > 0
      ? [issue("hollow-nodes", {
        commonName: "system:hollow-nodes",
        organizations: ["sauropod:hollow-nodes"],
        names: [hollowNodesHost(spec)],
        usage: "both",
      })]
      : []),
    ...Array.from({ length: spec.workers }, (_, i) =>
      issue(`worker-${i + 1}`, {
        commonName: `system:node:worker-${i + 1}`,
        organizations: ["system:nodes"],
        names: [nodeAddress(spec, i), `worker-${i + 1}`],
        usage: "both",
      })),
  ]);
}
