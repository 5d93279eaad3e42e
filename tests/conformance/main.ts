/**
 * `deno task conformance [--only TEXT]`: the catalogue against three apiservers over TLS, in a lean cluster of its own:
 * three of each control-plane component and two hollow nodes. Exit code 1 when a check fails.
 */
import { utf8 } from "../../base/bytes.ts";
import { parse, stringify } from "yaml";
import { fetchedTool, kubectlTool } from "../../cluster/cli/npm_tools.ts";
import { dataDirectory, layout } from "../../cluster/home.ts";
import { storeClientAddress } from "../../cluster/plan.ts";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import { connectStore } from "../../store/mod.ts";
import { type Api, apiOver } from "./api.ts";
import { kubectlAt } from "./kubectl.ts";
import { report, runCatalogue } from "./run.ts";

const root = new URL("../../", import.meta.url).pathname;
const name = `conformance-${Deno.pid}`;
/** The user's own file stays as it is. */
const scratch = await Deno.makeTempDir({ prefix: "sauropod-conformance-" });
const kubeconfig = `${scratch}/kubeconfig`;

async function cluster(...args: string[]): Promise<string> {
  const flags = ["run", "--allow-all", "--quiet", "--no-check", `--config=${root}deno.json`, `${root}cluster/main.ts`];
  const command = new Deno.Command(Deno.execPath(), { args: [...flags, ...args], env: { KUBECONFIG: kubeconfig } });
  const { code, stdout, stderr } = await command.output();
  if (code !== 0) throw new Error(`cluster ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

interface Access {
  readonly api: Api;
  readonly servers: readonly string[];
  close(): void;
}

/** Every apiserver by its own address, in turn. */
async function access(): Promise<Access> {
  const config = parse(await cluster("kubeconfig", "--name", name));
  const decode = (text: string) => new TextDecoder().decode(Uint8Array.from(atob(text), (it) => it.charCodeAt(0)));
  const user = config.users[0].user;
  const client = Deno.createHttpClient({
    caCerts: [decode(config.clusters[0].cluster["certificate-authority-data"])],
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
  });
  const balancer = config.clusters[0].cluster.server;
  // Deno's own option of fetch, which the DOM's types do not know.
  const send = (url: string, init: RequestInit = {}) => fetch(url, Object.assign({}, init, { client }));
  const answer = await send(`${balancer}/api/v1/namespaces/default/endpoints/kubernetes`);
  const endpoints = await answer.json();
  const servers: string[] = endpoints.subsets.flatMap((
    it: { addresses: { ip: string }[]; ports: { port: number }[] },
  ) => it.addresses.map(({ ip }) => `https://${ip}:${it.ports[0]?.port}`));
  if (servers.length < 3) throw new Error(`${servers.length} apiservers: ${stringify(endpoints.subsets)}`);
  let next = 0;
  const api = apiOver((path, init) => send(`${servers[next++ % servers.length]}${path}`, init));
  return { api, servers, close: () => client.close() };
}

/** Compacts the members' store to where it is: as a read says that all members agree on, the status of one may be behind. */
async function compact(): Promise<void> {
  // Of all members, since where they say that the leader is holds in the cluster's own directory alone.
  const endpoints = [0, 1, 2].map((i) => storeClientAddress(i).replace("unix:", `unix:${dataDirectory(name)}/`));
  const store = connectStore({ endpoints }, createDenoPlatform({ component: "conformance", logLevel: "error" }));
  try {
    const { revision } = await store.range({ key: utf8("/registry/health"), countOnly: true });
    await store.compact(revision);
  } finally {
    store.close();
  }
}

const at = Deno.args.indexOf("--only");
const only = at < 0 ? "" : Deno.args[at + 1] ?? "";
let failed = true;
try {
  await cluster("up", "--name", name, "--control-planes", "3", "--workers", "0", "--hollow-nodes", "2");
  const { api, servers, close } = await access();
  console.log(`Kubernetes 1.36, ${servers.length} apiservers over TLS: ${servers.join(" ")}`);
  const kubectl = kubectlAt(
    await fetchedTool(kubectlTool),
    `${dataDirectory(name)}/${layout.kubeconfig}`,
    `${scratch}/cache`,
  );
  const outcomes = await runCatalogue(api, { kubectl, compact }, { only });
  report(outcomes, console.log);
  failed = outcomes.some((it) => it.state === "failed");
  close();
} finally {
  await cluster("down", "--name", name);
  await Deno.remove(scratch, { recursive: true });
}
Deno.exit(failed ? 1 : 0);
