/** For tests: a real etcd cluster on loopback, Debian's etcd-server, where the machine has one. */
export interface RealEtcd {
  /** `tcp:127.0.0.1:port`, one a member. */
  readonly endpoints: readonly string[];
  stop(): Promise<void>;
}

/** Why there is none; null when there is one. */
export function etcdMissing(program = "etcd"): string | null {
  const found = (Deno.env.get("PATH") ?? "").split(":").some((directory) => {
    try {
      return Deno.statSync(`${directory}/${program}`).isFile;
    } catch {
      return false;
    }
  });
  return found ? null : `there is no ${program} on this machine (Debian: apt-get install etcd-server etcd-client)`;
}

export async function startEtcd(members: number): Promise<RealEtcd> {
  const directory = await Deno.makeTempDir({ prefix: "etcd-test-" });
  const ports = freePorts(members * 2);
  const peers = ports.slice(0, members).map((port) => `http://127.0.0.1:${port}`);
  const clients = ports.slice(members).map((port) => `http://127.0.0.1:${port}`);
  const processes = peers.map((peer, i) =>
    new Deno.Command("etcd", {
      args: [
        `--name=m${i}`,
        `--data-dir=${directory}/m${i}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--listen-client-urls=${clients[i]}`,
        `--advertise-client-urls=${clients[i]}`,
        `--initial-cluster=${peers.map((url, k) => `m${k}=${url}`).join(",")}`,
        "--initial-cluster-state=new",
        "--log-level=fatal",
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn()
  );
  return {
    endpoints: clients.map((url) => url.replace("http://", "tcp:")),
    async stop() {
      for (const process of processes) process.kill("SIGKILL");
      await Promise.all(processes.map((process) => process.status));
      await Deno.remove(directory, { recursive: true });
    },
  };
}

function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((listener) => (listener.addr as Deno.NetAddr).port); // TCP listeners
  for (const listener of listeners) listener.close();
  return ports;
}

/** One member on a data directory that is there already (restored): its peer URL is that of the restoration, never dialled. */
export function serveEtcd(dataDirectory: string): { readonly endpoint: string; stop(): Promise<void> } {
  const [client, peer] = freePorts(2).map((port) => `http://127.0.0.1:${port}`);
  const process = new Deno.Command("etcd", {
    args: [
      ...["--name=m0", `--data-dir=${dataDirectory}`, `--listen-peer-urls=${peer}`, "--log-level=fatal"],
      ...[`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    endpoint: `${client}`.replace("http://", "tcp:"),
    async stop() {
      process.kill("SIGKILL");
      await process.status;
    },
  };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param endpoints `tcp:host:port`; none for what needs no server @throws when it fails, unless `mayFail` */
export async function etcdctl(
  endpoints: readonly string[],
  args: readonly string[],
  options: { readonly stdin?: string; readonly mayFail?: boolean } = {},
): Promise<Ran> {
  const flags = endpoints.length === 0
    ? []
    : [`--endpoints=${endpoints.map((each) => each.replace("tcp:", "http://")).join(",")}`];
  const child = new Deno.Command("etcdctl", {
    args: [...flags, ...args],
    env: { ETCDCTL_API: "3" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  if (options.stdin !== undefined) await writer.write(new TextEncoder().encode(options.stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const ran = { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  if (code !== 0 && options.mayFail !== true) throw new Error(`etcdctl ${args.join(" ")}: ${ran.stderr}`);
  return ran;
}

/** A command of etcdctl that goes on until it is interrupted. */
export function spawnEtcdctl(endpoints: readonly string[], args: readonly string[]): {
  /** Resolves with the first `count` lines that it prints. */
  lines(count: number): Promise<string[]>;
  /** SIGINT, and what it does then. */
  interrupt(): Promise<void>;
} {
  const child = new Deno.Command("etcdctl", {
    args: [`--endpoints=${endpoints.map((each) => each.replace("tcp:", "http://")).join(",")}`, ...args],
    env: { ETCDCTL_API: "3" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return {
    async lines(count) {
      let text = "";
      while (text.split("\n").length <= count) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`etcdctl ${args.join(" ")} ended after: ${text}`);
        text += value;
      }
      return text.split("\n").slice(0, count);
    },
    async interrupt() {
      child.kill("SIGINT");
      while (!(await reader.read()).done);
      await child.status;
    },
  };
}
