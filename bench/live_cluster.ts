import {
  adminClient,
  askStatus,
  type ClusterSpec,
  createCluster,
  removeCluster,
  toolPlatform,
} from "../cluster/mod.ts";
import { createRestClient, createTransport } from "../client/mod.ts";
import type { ClosableTransport, RestClient } from "../client/mod.ts";
import { dataDirectory, layout } from "../cluster/home.ts";
import { apiServerUrls } from "../cluster/plan.ts";
import { exitCode } from "../cluster/errors.ts";
import type { Platform, TlsIdentity } from "../platform/mod.ts";
import { cpuSeconds } from "./machine.ts";

/** A cluster for one run, in a home directory of its own that goes with it. */
export interface LiveCluster extends AsyncDisposable {
  readonly spec: ClusterSpec;
  readonly platform: Platform;
  /** Through the balancer, as an administrator. */
  readonly client: RestClient;
  /** Whichever apiserver answers, without the balancer: as the components' own clients. */
  readonly direct: RestClient;
  /** The administrator's. */
  readonly tls: Required<TlsIdentity>;
  /** One an apiserver. */
  readonly transports: readonly ClosableTransport[];
  /** The balancer's address: what a user's client dials. */
  readonly balanced: ClosableTransport;
  /** Pids by component's name, the supervisor's among them. */
  pids(): Promise<ReadonlyMap<string, number>>;
  /** Whether the supervisor holds the component for ready. */
  isReady(component: string): Promise<boolean>;
  /** CPU seconds so far, by component. */
  cpu(): Promise<ReadonlyMap<string, number>>;
  /** GET on the socket of a component's process; null when it does not answer. */
  ask(component: string, path: string): Promise<string | null>;
}

export interface LiveClusterOptions {
  readonly controlPlanes: number;
  /** Nodes with a simulated kubelet each; 0: the caller posts bare Node objects. */
  readonly hollowNodes: number;
  /** Processes take CPU profiles into this directory between two SIGUSR2. */
  readonly profile?: string;
  readonly log: (line: string) => void;
}

const name = "bench";

/** Starts it. Ctrl-C and SIGTERM, also half-way up, take it away and exit with 130. */
export async function startLiveCluster(options: LiveClusterOptions): Promise<LiveCluster> {
  const home = await Deno.makeTempDir({ prefix: "sauropod-bench-" });
  Deno.env.set("SAUROPOD_HOME", home);
  Deno.env.set("KUBECONFIG", `${home}/kubeconfig`);
  if (options.profile !== undefined) {
    await Deno.mkdir(options.profile, { recursive: true });
    Deno.env.set("SAUROPOD_PROFILE", await Deno.realPath(options.profile));
  }
  const platform = toolPlatform();
  let removing: Promise<void> | null = null;
  const remove = () =>
    removing ??= (async () => {
      await removeCluster(name, platform);
      await Deno.remove(home, { recursive: true }).catch(() => {});
    })();
  const interrupt = () => {
    if (removing !== null) return;
    options.log("Interrupted: taking the cluster away again");
    remove().catch((error) => options.log(String(error))).finally(() => Deno.exit(exitCode.interrupted));
  };
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  const disarm = () => {
    Deno.removeSignalListener("SIGINT", interrupt);
    Deno.removeSignalListener("SIGTERM", interrupt);
  };
  try {
    const spec = await createCluster(
      {
        name,
        controlPlanes: options.controlPlanes,
        workers: 0,
        runtime: "hollow",
        hollowNodes: options.hollowNodes,
        bareNodes: options.hollowNodes === 0,
        timers: "fast",
        port: undefined,
      },
      { waitMs: 120_000, retain: false, mergeKubeconfig: false, onProgress: () => {} },
      platform,
    );
    const read = (file: string) => Deno.readTextFileSync(`${dataDirectory(name)}/${layout.pki}/${file}`);
    const tls = { ca: read("ca.crt"), cert: read("admin.crt"), key: read("admin.key") };
    const transports = apiServerUrls(spec).map((url) => createTransport({ endpoints: [url], tls }, platform));
    const balanced = createTransport({ endpoints: [`https://127.0.0.1:${spec.port}`], tls }, platform);
    const anywhere = createTransport({ endpoints: apiServerUrls(spec), tls }, platform);
    const pids = async () => {
      const status = await askStatus(name, platform);
      const found = new Map<string, number>();
      for (const { name, pid } of status?.components ?? []) if (pid !== null) found.set(name, pid);
      if (status !== null) found.set("supervisor", status.supervisorPid);
      return found;
    };
    return {
      spec,
      platform,
      client: adminClient(spec, platform),
      direct: createRestClient(anywhere, { encoding: "json", userAgent: "sauropod-bench" }),
      tls,
      transports,
      balanced,
      pids,
      isReady: async (component) =>
        (await askStatus(name, platform))?.components.find((each) => each.name === component)?.ready === true,
      cpu: async () => new Map([...await pids()].map(([component, pid]) => [component, cpuSeconds(pid)])),
      ask: (component, path) => askSocket(`${dataDirectory(name)}/${layout.run}/${component}.sock`, path),
      async [Symbol.asyncDispose]() {
        for (const transport of [...transports, anywhere, balanced]) transport.close();
        try {
          await remove();
        } finally {
          disarm();
        }
      },
    };
  } catch (error) {
    if (removing === null) await remove();
    else await new Promise(() => {}); // The interrupt's exit ends this process.
    disarm();
    throw error;
  }
}

/** One HTTP/1.1 GET over a unix socket, the connection closed after it. */
async function askSocket(path: string, target: string): Promise<string | null> {
  try {
    using connection = await Deno.connect({ transport: "unix", path });
    const request = `GET ${target} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    const chunks: Uint8Array[] = [];
    const buffer = new Uint8Array(65_536);
    for (;;) {
      const read = await connection.read(buffer);
      if (read === null) break;
      chunks.push(buffer.slice(0, read));
    }
    const text = await new Blob(chunks as Uint8Array<ArrayBuffer>[]).text();
    const head = text.indexOf("\r\n\r\n");
    return text.startsWith("HTTP/1.") && / 200 /.test(text.slice(0, 16)) ? text.slice(head + 4) : null;
  } catch {
    return null;
  }
}
