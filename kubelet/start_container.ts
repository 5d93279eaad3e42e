import { fromUtf8 } from "../base/bytes.ts";
import type { KubeObject } from "../api/meta.ts";
import type { ConfigMap, Container, Pod, Secret } from "../api/gen/types.ts";
import { configMaps, pods, secrets } from "../api/resources.ts";
import { referenceTo } from "../client/mod.ts";
import { goDuration } from "./core/backoff.ts";
import { buildEnv, envReferences, expand } from "./core/env.ts";
import { parseImage, pullPolicyOf, shouldPull } from "./core/image.ts";
import { resourceFieldText } from "./core/resources.ts";
import type { StartFailure } from "./core/types.ts";
import type { NodeContext } from "./node_context.ts";
import { runHandler } from "./prober.ts";
import type { Mount } from "./runtime/types.ts";
import { find, fromBase64, VolumeError } from "./volumes/volumes.ts";

export type StartResult =
  | { readonly ok: true }
  /** Null: the runtime holds a record of the failed start, which says it all. */
  | { readonly ok: false; readonly failure: Pick<StartFailure, "kind" | "reason" | "message"> | null };

export interface StartRequest {
  readonly pod: Readonly<Pod>;
  readonly container: Readonly<Container>;
  readonly attempt: number;
  readonly sandboxId: string;
  readonly podIP: string;
}

type Say = (type: "Normal" | "Warning", reason: string, message: string) => void;

/** Image, volumes, environment, container, start, post-start hook; events in the kubelet's words. Never rejects. */
export async function startContainer(node: NodeContext, request: StartRequest): Promise<StartResult> {
  const { pod, container } = request;
  const reference = referenceTo(pods, pod, fieldPathOf(pod, container.name));
  const say: Say = (type, reason, message) => node.events.event(reference, type, reason, message);
  const image = await ensureImage(node, container, say);
  if (image !== null) return { ok: false, failure: image };
  let mounts: Mount[];
  try {
    mounts = await mountsOf(node, request);
  } catch (error) {
    const message = error instanceof VolumeError
      ? `MountVolume.SetUp failed for volume "${error.volume}" : ${error.message}`
      : String(error);
    node.events.event(referenceTo(pods, pod), "Warning", "FailedMount", message);
    return { ok: false, failure: { kind: "config", reason: "ContainerCreating", message: "" } };
  }
  const env = await environmentOf(node, request);
  if (typeof env === "string") {
    say("Warning", "Failed", `Error: ${env}`);
    return { ok: false, failure: { kind: "config", reason: "CreateContainerConfigError", message: env } };
  }
  return await createAndStart(node, request, mounts, env, say);
}

/** `spec.containers{name}`, or `spec.initContainers{name}`. */
export function fieldPathOf(pod: Readonly<Pod>, name: string): string {
  const init = (pod.spec?.initContainers ?? []).some((each) => each.name === name);
  return `spec.${init ? "initContainers" : "containers"}{${name}}`;
}

/** Null when the image is there. */
async function ensureImage(
  node: NodeContext,
  container: Readonly<Container>,
  say: Say,
): Promise<Pick<StartFailure, "kind" | "reason" | "message"> | null> {
  const image = container.image ?? "";
  const name = parseImage(image);
  if (name === null) {
    const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": ` +
      "invalid reference format";
    say("Warning", "InspectFailed", message);
    say("Warning", "Failed", "Error: InvalidImageName");
    return { kind: "image", reason: "InvalidImageName", message };
  }
  const policy = pullPolicyOf(name, container.imagePullPolicy);
  const present = await node.runtime.imageStatus(name.reference) !== null;
  if (!shouldPull(policy, present)) {
    if (present) {
      say("Normal", "Pulled", `Container image "${image}" already present on machine and can be accessed by the pod`);
      return null;
    }
    const message = `Container image "${image}" is not present with pull policy of Never`;
    say("Warning", "ErrImageNeverPull", message);
    say("Warning", "Failed", "Error: ErrImageNeverPull");
    return { kind: "image", reason: "ErrImageNeverPull", message };
  }
  say("Normal", "Pulling", `Pulling image "${image}"`);
  const began = node.clock.monotonic();
  try {
    const { sizeBytes } = await node.runtime.pullImage(name.reference);
    const took = goDuration(Math.max(1, Math.round(node.clock.monotonic() - began)));
    say(
      "Normal",
      "Pulled",
      `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${sizeBytes} bytes.`,
    );
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    say("Warning", "Failed", `Failed to pull image "${image}": ${message}`);
    say("Warning", "Failed", "Error: ErrImagePull");
    return { kind: "image", reason: "ErrImagePull", message };
  }
}

async function mountsOf(node: NodeContext, { pod, container, podIP }: StartRequest): Promise<Mount[]> {
  if (node.volumes === null) return [];
  const { nodeName, hostIP, allocatable } = node;
  const paths = await node.volumes.setUp(pod, { podIP, hostIP, nodeName, allocatable });
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly, subPath }) => {
    const hostPath = paths.get(name);
    if (hostPath === undefined) throw new VolumeError(name, "the pod has no volume by that name");
    if (subPath !== undefined && subPath.split("/").includes("..")) throw new VolumeError(name, "subPath contains ..");
    return {
      hostPath: subPath ? `${hostPath}/${subPath}` : hostPath,
      containerPath: mountPath,
      readOnly: readOnly ?? false,
    };
  });
}

/** The environment, or why it cannot be made. */
async function environmentOf(node: NodeContext, request: StartRequest): Promise<Record<string, string> | string> {
  const { pod, container, podIP } = request;
  const namespace = pod.metadata?.namespace;
  const references = envReferences(container);
  const configData = new Map<string, Record<string, string>>();
  const secretData = new Map<string, Record<string, string>>();
  try {
    for (const name of references.configMaps) {
      const object = await find(() => node.client.get<ConfigMap & KubeObject>(configMaps, name, namespace));
      if (object !== null) configData.set(name, object.data ?? {});
    }
    for (const name of references.secrets) {
      const object = await find(() => node.client.get<Secret & KubeObject>(secrets, name, namespace));
      if (object === null) continue;
      const texts = Object.entries(object.data ?? {}).map(([key, text]) => [key, fromUtf8(fromBase64(text))]);
      secretData.set(name, Object.fromEntries(texts));
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const result = buildEnv(pod, container, {
    configMaps: configData,
    secrets: secretData,
    services: node.services(pod),
    podIP,
    hostIP: node.hostIP,
    nodeName: node.nodeName,
    resource: (of, resource, divisor) => resourceFieldText(of, resource, divisor, node.allocatable),
  });
  if (!result.ok) return result.message;
  // A process has no network namespace and no host name of its own: it learns from these where it may listen.
  return {
    POD_IP: podIP,
    POD_NAME: pod.metadata?.name ?? "",
    POD_NAMESPACE: namespace ?? "",
    NODE_NAME: node.nodeName,
    HOSTNAME: hostnameOf(pod, node),
    ...result.env,
  };
}

export function hostnameOf(pod: Readonly<Pod>, node: Pick<NodeContext, "nodeName">): string {
  if (pod.spec?.hostNetwork === true) return node.nodeName;
  return (pod.spec?.hostname ?? pod.metadata?.name ?? "").slice(0, 63);
}

async function createAndStart(
  node: NodeContext,
  request: StartRequest,
  mounts: readonly Mount[],
  env: Readonly<Record<string, string>>,
  say: Say,
): Promise<StartResult> {
  const { pod, container } = request;
  let id: string;
  try {
    id = await node.runtime.createContainer(request.sandboxId, {
      name: container.name,
      attempt: request.attempt,
      image: container.image ?? "",
      command: (container.command ?? []).map((word) => expand(word, env)),
      args: (container.args ?? []).map((word) => expand(word, env)),
      env,
      workingDir: container.workingDir ?? "",
      mounts,
      stdin: container.stdin ?? false,
      tty: container.tty ?? false,
      terminationMessagePath: container.terminationMessagePath ?? "/dev/termination-log",
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    say("Warning", "Failed", `Error: ${message}`);
    return { ok: false, failure: { kind: "create", reason: "CreateContainerError", message } };
  }
  say("Normal", "Created", "Container created");
  try {
    await node.runtime.startContainer(id);
  } catch (error) {
    say("Warning", "Failed", `Error: ${error instanceof Error ? error.message : String(error)}`);
    return { ok: false, failure: null };
  }
  say("Normal", "Started", "Container started");
  const hook = container.lifecycle?.postStart;
  if (hook === undefined || !node.runtime.reachable) return { ok: true };
  const graceMs = (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
  const outcome = await runHook(node, { ...request, id }, hook, graceMs);
  if (!outcome.ok) {
    say("Warning", "FailedPostStartHook", `PostStartHook failed: ${outcome.output}`);
    say("Normal", "Killing", "FailedPostStartHook");
    await node.runtime.stopContainer(id, graceMs);
  }
  return { ok: true };
}

/** A lifecycle hook; `sleep` too. Never rejects. */
export async function runHook(
  node: NodeContext,
  target: { readonly id: string; readonly container: Readonly<Container>; readonly podIP: string },
  hook: NonNullable<NonNullable<Container["lifecycle"]>["preStop"]>,
  timeoutMs: number,
): Promise<{ ok: boolean; output: string }> {
  if (hook.sleep !== undefined) {
    await node.timers.sleep(Math.min(hook.sleep.seconds * 1000, timeoutMs));
    return { ok: true, output: "" };
  }
  return await runHandler(
    hook,
    { containerId: target.id, spec: target.container, podIP: target.podIP },
    timeoutMs,
    node.prober,
  );
}
