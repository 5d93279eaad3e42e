import { parse, stringify } from "yaml";
import { mergeContext, removeContext } from "../client/mod.ts";
import { CliError, exitCode } from "./errors.ts";
import { dataDirectory, layout, readTextIfPresent, withLock, writeTextAtomic } from "./home.ts";
import { balancerUrl } from "./plan.ts";
import type { ClusterSpec } from "./spec.ts";

/** The user's kubeconfig: the first file of `$KUBECONFIG`, else `~/.kube/config`, as kubectl and kind do it. */
function userKubeconfigPath(): string | null {
  const first = (Deno.env.get("KUBECONFIG") ?? "").split(":").find((path) => path !== "");
  if (first !== undefined) return first;
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  return home === undefined || home === "" ? null : `${home}/.kube/config`;
}

export function contextName(name: string): string {
  return `sauropod-${name}`;
}

async function contextOf(spec: ClusterSpec): Promise<Parameters<typeof mergeContext>[1]> {
  const read = (file: string) => Deno.readTextFile(`${dataDirectory(spec.name)}/${layout.pki}/${file}`);
  return {
    name: contextName(spec.name),
    server: balancerUrl(spec),
    ca: await read("ca.crt"),
    cert: await read("admin.crt"),
    key: await read("admin.key"),
  };
}

/** A kubeconfig of this cluster alone. */
export async function kubeconfigText(spec: ClusterSpec): Promise<string> {
  return stringify(mergeContext(null, await contextOf(spec)), { lineWidth: 0 });
}

/** Writes the cluster's own file and, with `merge`, its context, made current, into the user's kubeconfig. */
export async function writeKubeconfig(spec: ClusterSpec, options: { readonly merge: boolean }): Promise<void> {
  await writeTextAtomic(`${dataDirectory(spec.name)}/${layout.kubeconfig}`, await kubeconfigText(spec));
  if (!options.merge) return;
  const context = await contextOf(spec);
  await editUserKubeconfig((config) => mergeContext(config, context), true);
}

/** Takes the context out of the user's kubeconfig again; a file that then holds nothing is removed. Idempotent. */
export async function removeKubeconfig(name: string): Promise<void> {
  await editUserKubeconfig((config) => removeContext(config, contextName(name)), false);
}

/** @param create make the file when it is missing */
async function editUserKubeconfig(edit: (config: unknown) => unknown, create: boolean): Promise<void> {
  const path = userKubeconfigPath();
  if (path === null) return;
  const before = await readTextIfPresent(path);
  if (before === null && !create) return;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")) || ".", { recursive: true });
  // kubectl and client-go take the same lock file, by its existence; ours is held for milliseconds.
  await withLock(`${path}.sauropod-lock`, async () => {
    const text = await readTextIfPresent(path);
    let config: unknown;
    try {
      config = text === null ? null : parse(text);
    } catch (cause) {
      throw new CliError(exitCode.failed, `Cannot change ${path}: it is not YAML`, {
        hint: "mend it, or set KUBECONFIG to another file",
        cause,
      });
    }
    const next = edit(config);
    if (isEmpty(next)) await Deno.remove(path).catch(() => {});
    else await writeTextAtomic(path, stringify(next, { lineWidth: 0 }));
  });
  await Deno.remove(`${path}.sauropod-lock`).catch(() => {});
}

function isEmpty(config: unknown): boolean {
  if (typeof config !== "object" || config === null) return true;
  const record = config as Record<string, unknown>;
  return ["clusters", "contexts", "users"].every((field) =>
    !Array.isArray(record[field]) || record[field].length === 0
  );
}
