import assert from "node:assert/strict";
import { fetchedTool, kubectlTool } from "../../cluster/cli/npm_tools.ts";
import type { ClusterStatus } from "../../cluster/cli/status.ts";

/** Runs the CLI and real kubectl as a user would: as programs, judged by exit code and output. */

const root = new URL("../../", import.meta.url).pathname;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  /** The program is killed and the test fails after this long. */
  readonly timeoutMs?: number;
}

const cliFlags = [
  "run",
  "--allow-all",
  "--quiet",
  "--no-check",
  `--config=${root}deno.json`,
  `${root}cluster/main.ts`,
];
const defaultTimeoutMs = 60_000;

export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: root,
    env: { NO_COLOR: "1", ...options.env },
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? defaultTimeoutMs);
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.stdin));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A home directory of its own, removed at the end, in which clusters are made with the real CLI. */
export class TestHome {
  readonly home: string;
  readonly #env: Record<string, string>;
  #kubectl = "kubectl";

  private constructor(home: string) {
    this.home = home;
    this.#env = { HOME: home, SAUROPOD_HOME: `${home}/clusters`, KUBECONFIG: `${home}/kubeconfig` };
    // Deno's caches stay where they are: a test does not download the world again.
    const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? ""}/.cache/deno`;
    this.#env.DENO_DIR = cache;
  }

  static async make(): Promise<TestHome> {
    const test = new TestHome(await Deno.makeTempDir({ prefix: "sauropod-e2e-" }));
    test.#kubectl = await findKubectl();
    return test;
  }

  get kubeconfig(): string {
    return this.#env.KUBECONFIG ?? "";
  }

  cluster(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run(Deno.execPath(), [...cliFlags, ...args], { ...options, env: { ...this.#env, ...options.env } });
  }

  /** The CLI, running beside the test, which ends it. */
  start(args: readonly string[]): Deno.ChildProcess {
    const env = { NO_COLOR: "1", ...this.#env };
    const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
    return new Deno.Command(Deno.execPath(), { args: [...cliFlags, ...args], cwd: root, env, ...quiet }).spawn();
  }

  kubectl(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run(this.#kubectl, args, { ...options, env: { ...this.#env, ...options.env } });
  }

  /** Another client of the cluster, expected to succeed; its output. */
  async runs(program: string, ...args: string[]): Promise<string> {
    const ran = await run(program, args, { env: this.#env, timeoutMs: 90_000 });
    assert.equal(ran.code, 0, `${program} ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
    return ran.stdout;
  }

  /** kubectl, expected to succeed; its output. */
  async ok(...args: string[]): Promise<string> {
    const ran = await this.kubectl(args);
    assert.equal(ran.code, 0, `kubectl ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
    return ran.stdout;
  }

  /** Applies a manifest. */
  async apply(yaml: string): Promise<void> {
    const ran = await this.kubectl(["apply", "-f", "-"], { stdin: yaml });
    assert.equal(ran.code, 0, ran.stderr);
  }

  /** One field of each pod that the selector selects, sorted; pods without it are left out. */
  async podFields(selector: string, path: string): Promise<string[]> {
    const text = await this.ok("get", "pods", "-l", selector, "-o", `jsonpath={range .items[*]}{${path}}{"\\n"}{end}`);
    return text.trim().split("\n").filter((each) => each !== "").sort();
  }

  async status(name = "default"): Promise<ClusterStatus> {
    const ran = await this.cluster(["status", "--name", name, "-o", "json"]);
    assert.ok(ran.stdout.startsWith("{"), `cluster status -o json: exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
    return JSON.parse(ran.stdout) as ClusterStatus; // our own program's output
  }

  /** Polls until `condition` holds; it alone decides, the time only bounds it. */
  async until(what: string, condition: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!await condition()) {
      if (performance.now() > deadline) assert.fail(`Not within ${timeoutMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** What the cluster's processes wrote last, for a failing test. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ran = await this.cluster(["down", "--all"]);
    const left = await processesUnder(this.home);
    await Deno.remove(this.home, { recursive: true });
    assert.equal(ran.code, 0, `down --all: ${ran.stderr}`);
    assert.deepEqual(left, [], "processes left behind after down");
  }
}

async function findKubectl(): Promise<string> {
  const found = await run("sh", ["-c", "command -v kubectl"]);
  return found.code === 0 ? found.stdout.trim() : await fetchedTool(kubectlTool);
}

/** Command lines of processes that name `path` in their arguments, environment or working directory. */
export async function processesUnder(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(entry.name) || Number(entry.name) === Deno.pid) continue;
    try {
      const command = (await Deno.readTextFile(`/proc/${entry.name}/cmdline`)).replaceAll("\0", " ");
      const environment = await Deno.readTextFile(`/proc/${entry.name}/environ`);
      const cwd = await Deno.readLink(`/proc/${entry.name}/cwd`);
      if (command !== "" && (command.includes(path) || environment.includes(path) || cwd.startsWith(path))) {
        found.push(`${entry.name}: ${command}`);
      }
    } catch {
      // Gone meanwhile.
    }
  }
  return found;
}
