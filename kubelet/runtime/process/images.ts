import { parseImage } from "../../core/image.ts";

/** What a container of an image runs when its spec does not say otherwise. */
export interface BuiltInImage {
  /** The imageID of the status. */
  readonly id: string;
  /** Program and arguments; empty: the spec's `command` has to name one. */
  readonly entrypoint: readonly string[];
  /** Beside what the spec gives. */
  readonly env: Readonly<Record<string, string>>;
}

export interface ImageHost {
  /** The Deno executable that runs the built-in images. */
  readonly denoPath: string;
  /** Where it keeps compiled modules: shared, so that a container does not compile them again. */
  readonly cacheDirectory: string;
}

const denoFlags = [
  "run",
  "--quiet",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--no-check",
];

/** Null when there is no such image. The names are the whole registry of this runtime. */
export function builtInImage(image: string, host: ImageHost): BuiltInImage | null {
  const name = parseImage(image);
  if (name === null) return null;
  const env = { DENO_DIR: host.cacheDirectory, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
  const module = (file: string) => new URL(`../../images/${file}`, import.meta.url).pathname;
  switch (name.repository) {
    case "sauropod.dev/echo":
      return {
        id: "sauropod.dev/echo@builtin",
        entrypoint: [host.denoPath, ...denoFlags, "--allow-net", "--allow-env", module("echo.ts")],
        env,
      };
    case "sauropod.dev/guestbook":
      return {
        id: "sauropod.dev/guestbook@builtin",
        entrypoint: [host.denoPath, ...denoFlags, "--allow-net", "--allow-env", module("guestbook.ts")],
        env,
      };
    case "sauropod.dev/pause":
    case "registry.k8s.io/pause":
      return { id: "sauropod.dev/pause@builtin", entrypoint: [host.denoPath, ...denoFlags, module("pause.ts")], env };
    case "sauropod.dev/host":
      return { id: "sauropod.dev/host@builtin", entrypoint: [], env: {} };
    default:
      return null;
  }
}

export function unknownImageText(image: string): string {
  return `image "${image}" cannot run in the process runtime, which has no container images: use sauropod.dev/echo:1, ` +
    `sauropod.dev/guestbook:1, sauropod.dev/pause:1 or sauropod.dev/host:1 (runs "command" as a program of this machine), or make the cluster ` +
    `with --runtime hollow to simulate any image`;
}
