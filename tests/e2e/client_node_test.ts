import assert from "node:assert/strict";
import { run, TestHome } from "./harness.ts";

/** `programs/client_node.ts`, running: what it says, line by line, and a way to tell it something. */
class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #errors: Promise<string>;
  readonly #done: Promise<void>;
  #said: string[] = [];
  #changed = () => {};
  #ended = false;

  constructor(command: string, args: readonly string[], env: Record<string, string>) {
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    this.#child = new Deno.Command(command, { args: [...args], env, ...pipes }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#errors = new Response(this.#child.stderr).text();
    this.#done = this.#read();
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#said.push(...lines);
      this.#changed();
    }
    this.#ended = true;
    this.#changed();
  }

  async says(line: string): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 60_000);
    while (!this.#said.includes(line) && !this.#ended) {
      await new Promise<void>((resolve) => void (this.#changed = resolve));
    }
    clearTimeout(timer);
    if (this.#said.includes(line)) return;
    assert.fail(`never said "${line}":\n${this.#said.join("\n")}\n${await this.#errors}`);
  }

  async tell(line: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await Promise.all([this.#child.status, this.#errors, this.#done, this.#writer.close().catch(() => {})]);
  }
}

Deno.test("@kubernetes/client-node works on Deno and on Node, where its informer outlives an apiserver and the whole cluster", async (t) => {
  const source = new URL("programs/client_node.ts", import.meta.url).pathname;
  const shim = new URL("programs/node_20.mjs", import.meta.url).pathname;
  const hasNode = (await run("sh", ["-c", "command -v node"])).code === 0;
  await using test = await TestHome.make();
  const up = await test.cluster(["up", "--control-planes", "1", "--workers", "1"], { timeoutMs: 120_000 });
  assert.equal(up.code, 0, up.stderr);
  const bundle = `${test.home}/client_node.mjs`;
  const bundled = await run(Deno.execPath(), ["bundle", "--quiet", "--platform", "deno", "-o", bundle, source]);
  assert.equal(bundled.code, 0, bundled.stderr);
  const env = { KUBECONFIG: test.kubeconfig };
  const runtimes = [{ name: "deno", args: [Deno.execPath(), "run", "--allow-all", "--no-check", "--quiet", source] }];
  if (hasNode) runtimes.push({ name: "node", args: ["node", "--import", shim, bundle] });
  for (const { name, args: [command = "", ...args] } of runtimes) {
    await t.step(name, async () => {
      await test.ok("create", "namespace", name);
      await using program = new Program(command, [...args, name], env);
      const learns = async (object: string) => {
        await test.until(`${object} is created`, async () =>
          (await test.kubectl(["create", "configmap", object, "-n", name])).code === 0);
        await test.ok("label", "configmap", object, "-n", name, "informed=yes");
        await program.tell(object);
        await program.says(`knows ${object}`);
      };
      for (const what of ["KubeConfig", "CRUD", "patches", "watch", "exec", "port-forward", "log", "metrics"]) {
        await program.says(`ok ${what}`);
      }
      await program.says("informer ready");
      await learns("first");
      // Deno 2.9.6 does not tell an open HTTP/2 stream of node:http2, on which client-node stands, that its connection has
      // gone: the same program hears "terminated" on Node at once, and on Deno nothing, ever.
      if (name === "deno") {
        await program.tell("end");
        return await program.says("done");
      }
      assert.equal((await test.cluster(["chaos", "kill", "apiserver"])).code, 0);
      await learns("after-kill");
      assert.equal((await test.cluster(["stop"])).code, 0);
      assert.equal((await test.cluster(["start"], { timeoutMs: 120_000 })).code, 0);
      await learns("after-start");
      await program.tell("end");
      await program.says("done");
    });
  }
});
