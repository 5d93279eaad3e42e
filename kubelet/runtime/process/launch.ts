import type { Disk, Processes } from "../../../platform/mod.ts";
import { innerPath } from "../../files.ts";
import { type ContainerConfig, RuntimeError } from "../types.ts";
import type { BuiltInImage } from "./images.ts";
import { defaultPath, run } from "./proc.ts";

/** What to start, worked out of image, config and place. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/**
 * Runs the program below the shell rather than instead of it, so that the exit code is written down even when no kubelet
 * is there to see it. The empty traps (not ignored signals: those a child would inherit) let the shell outlive a signal
 * to the group and wait for the program. $0 is the container's directory.
 */
const wrapper = `trap : TERM INT HUP QUIT
"$@" >>"$0/stdout" 2>>"$0/stderr"
code=$?
printf %s "$code" >"$0/exit"
exit "$code"`;

/** The arguments that make /bin/sh run `launch` as a container of `directory`. */
export function wrapped(directory: string, launch: Launch): string[] {
  return ["-c", wrapper, directory, launch.program, ...launch.args];
}

/**
 * Entrypoint, environment and working directory. There is no mount namespace here: the container's own root is a
 * directory, which it finds in $SAUROPOD_ROOT and starts in; its volumes are links in there. An absolute path such as
 * /etc/config means the machine's.
 */
export async function planLaunch(
  image: BuiltInImage,
  config: ContainerConfig,
  root: string,
  marks: Readonly<Record<string, string>>,
  disk: Disk,
): Promise<Launch> {
  const [program, ...args] = config.command.length > 0
    ? [...config.command, ...config.args]
    : [...image.entrypoint, ...config.args];
  if (program === undefined) {
    throw new RuntimeError("start", `image "${config.image}" has no program of its own: set the container's command`);
  }
  const env: Record<string, string> = {
    PATH: defaultPath,
    HOME: root,
    ...(config.tty ? { TERM: "xterm" } : {}),
    ...image.env,
    ...config.env,
    ...marks,
    SAUROPOD_ROOT: root,
  };
  const inner = innerPath(config.workingDir);
  if (inner === null) throw new RuntimeError("start", `invalid workingDir "${config.workingDir}"`);
  const cwd = root + inner;
  const launch = { program: await findProgram(disk, program, env.PATH ?? "", cwd), args, env, cwd };
  return config.tty ? inTerminal(launch) : launch;
}

/** `script` gives the program a terminal of its own; without it a container with `tty` has none. */
export function inTerminal(launch: Launch, size?: { readonly width: number; readonly height: number }): Launch {
  const command = [launch.program, ...launch.args].map(quote).join(" ");
  const before = size === undefined ? "" : `stty rows ${size.height} cols ${size.width} 2>/dev/null; `;
  return {
    program: "/usr/bin/script",
    args: ["-q", "-e", "-f", "-c", `${before}exec ${command}`, "/dev/null"],
    env: { TERM: "xterm", ...launch.env, SHELL: "/bin/sh" },
    cwd: launch.cwd,
  };
}

/** As one word of a POSIX shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The words of runc for a program that is not there. */
export async function findProgram(disk: Disk, program: string, path: string, cwd: string): Promise<string> {
  if (program.includes("/")) {
    const absolute = program.startsWith("/") ? program : `${cwd}/${program}`;
    const info = await disk.stat(absolute);
    if (info !== null && !info.isDirectory) return absolute;
    throw new RuntimeError("start", `exec: "${program}": stat ${program}: no such file or directory`);
  }
  for (const directory of path.split(":")) {
    if (!directory.startsWith("/")) continue;
    const info = await disk.stat(`${directory}/${program}`);
    if (info !== null && !info.isDirectory) return `${directory}/${program}`;
  }
  throw new RuntimeError("start", `exec: "${program}": executable file not found in $PATH`);
}

/** Makes the container's root: its working directory, and a link at each mount path to the volume's directory. */
export async function prepareRoot(
  root: string,
  config: ContainerConfig,
  deps: { disk: Disk; processes: Processes },
): Promise<void> {
  await deps.disk.mkdir(root);
  const terminationFile = innerPath(config.terminationMessagePath);
  if (terminationFile !== null && terminationFile !== "") await deps.disk.mkdir(parentOf(root + terminationFile));
  // Parents first, so that a mount below another mount lands inside that volume, as it would with real mounts.
  const mounts = [...config.mounts].sort((a, b) => a.containerPath.length - b.containerPath.length);
  for (const mount of mounts) {
    const inner = innerPath(mount.containerPath);
    if (inner === null || inner === "") throw new RuntimeError("start", `invalid mount path "${mount.containerPath}"`);
    await deps.disk.mkdir(parentOf(root + inner));
    const code = await run(deps.processes, "/bin/ln", ["-sfn", mount.hostPath, root + inner]);
    if (code !== 0) throw new RuntimeError("start", `cannot link ${mount.containerPath} to its volume`);
  }
  const workingDirectory = innerPath(config.workingDir);
  if (workingDirectory) await deps.disk.mkdir(root + workingDirectory);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
