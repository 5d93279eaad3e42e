import type { Kubectl } from "./api.ts";

/** A live cluster's kubectl; it keeps what it caches in a directory of its own. @param program path of the binary */
export function kubectlAt(program: string, kubeconfig: string, cacheDirectory: string): Kubectl {
  const command = (args: readonly string[], stdin: "null" | "piped") =>
    new Deno.Command(program, {
      args: [`--cache-dir=${cacheDirectory}`, ...args],
      env: { KUBECONFIG: kubeconfig },
      stdin,
      stdout: "piped",
      stderr: "piped",
    });
  return {
    async run(args, input) {
      const child = command(args, input === undefined ? "null" : "piped").spawn();
      if (input !== undefined) {
        const writer = child.stdin.getWriter();
        await writer.write(new TextEncoder().encode(input));
        await writer.close();
      }
      const { code, stdout, stderr } = await child.output();
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, stdout: decode(stdout), stderr: decode(stderr) };
    },
    async start(args) {
      const child = command(args, "null").spawn();
      const reader = child.stdout.getReader();
      let line = "";
      while (!line.includes("\n")) {
        const { done, value } = await reader.read();
        if (done) break;
        line += new TextDecoder().decode(value);
      }
      return {
        line: line.trim(),
        async stop() {
          await reader.cancel();
          child.kill("SIGTERM");
          await child.stderr.cancel();
          await child.status;
        },
      };
    },
  };
}
