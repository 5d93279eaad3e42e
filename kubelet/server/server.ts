import type { Pod } from "../../api/gen/types.ts";
import type { DelegatedAuth } from "../../client/mod.ts";
import type { Clock, HttpHandler, Metrics, RequestContext, Streams, Timers } from "../../platform/mod.ts";
import * as limits from "../limits.ts";
import type { ContainerRuntime, RuntimeContainer } from "../runtime/types.ts";
import { serveAttach, serveExec, type StreamOptions } from "./exec.ts";
import { isTrue, logBody, parseLogOptions } from "./logs.ts";
import { openPortForward, openSession } from "./sessions.ts";

/** Where the handler finds pods; one server may serve many hollow nodes. */
export interface PodView {
  find(namespace: string, name: string): { pod: Readonly<Pod>; runtime: ContainerRuntime } | undefined;
  list(): readonly Readonly<Pod>[];
}

export interface KubeletServerDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
  /** Whose metrics these are, for {@linkcode auth}; "": those of all nodes. */
  readonly nodeName: string;
  /** Says who beside the allowed peers may read metrics. */
  readonly auth: DelegatedAuth;
  /** Reaches pods, for port-forward. */
  readonly streams: Streams;
  readonly view: PodView;
  /** Common names of client certificates that may ask for more than /healthz. */
  readonly allowedPeers: readonly string[];
}

/**
 * The kubelet's API: health for everyone, metrics for whoever may `get nodes/metrics`, all else for the apiserver alone,
 * which asks on behalf of those who may.
 */
export function createKubeletHandler(deps: KubeletServerDeps): HttpHandler {
  const sessions = { open: 0 };
  const isAllowedPeer = ({ peer }: RequestContext) => peer !== null && deps.allowedPeers.includes(peer.commonName);
  return async (request, context) => {
    const url = new URL(request.url);
    if (url.pathname === "/healthz") return plain(200, "ok");
    if (url.pathname === "/metrics" && !isAllowedPeer(context)) {
      const attributes = { verb: "get", resource: "nodes", subresource: "metrics", name: deps.nodeName };
      const access = await deps.auth.check(
        { request, peer: context.peer },
        { resourceAttributes: attributes },
        `get nodes/metrics ${deps.nodeName}`.trimEnd(),
      );
      return access.allowed ? metrics(deps) : plain(access.status, access.message);
    }
    if (context.peer === null) return plain(401, "Unauthorized");
    if (!isAllowedPeer(context)) return plain(403, "Forbidden");
    const [verb, ...rest] = url.pathname.slice(1).split("/").map(decodeSegment);
    switch (verb) {
      case "metrics":
        return metrics(deps);
      case "pods":
        return Response.json({ kind: "PodList", apiVersion: "v1", metadata: {}, items: deps.view.list() });
      case "containerLogs":
        return await containerLogs(url, rest, deps, sessions);
      case "exec":
      case "attach":
        return await stream(verb, request, context, url, rest, deps, sessions);
      case "portForward":
        return await portForward(request, context, rest, deps, sessions);
      default:
        return plain(404, "404 page not found");
    }
  };
}

function metrics(deps: KubeletServerDeps): Response {
  return new Response(deps.metrics.text(), { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } });
}

/** "" for a segment that is not valid percent-encoding: no pod is called so. */
function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

function plain(status: number, text: string): Response {
  return new Response(text, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}

interface Target {
  readonly pod: Readonly<Pod>;
  readonly runtime: ContainerRuntime;
  readonly container: string;
  /** Newest first. */
  readonly instances: readonly RuntimeContainer[];
}

async function findTarget(path: readonly string[], view: PodView): Promise<Target | Response> {
  const [namespace = "", name = "", container = ""] = path;
  const found = view.find(namespace, name);
  if (path.length !== 3 || found === undefined) return plain(404, `pod "${name}" not found`);
  const spec = found.pod.spec;
  const names = [...spec?.initContainers ?? [], ...spec?.containers ?? []].map((each) => each.name);
  if (!names.includes(container)) return plain(404, `container "${container}" not found in pod "${name}"`);
  const all = await found.runtime.listContainers(found.pod.metadata?.uid ?? "");
  const instances = all.filter((each) => each.name === container).sort((a, b) => b.attempt - a.attempt);
  return { ...found, container, instances };
}

async function containerLogs(
  url: URL,
  path: readonly string[],
  deps: KubeletServerDeps,
  sessions: { open: number },
): Promise<Response> {
  const options = parseLogOptions(url.searchParams, deps.clock.now());
  if (options === null) return plain(400, "invalid log options");
  const target = await findTarget(path, deps.view);
  if (target instanceof Response) return target;
  const { container, pod } = target;
  const name = pod.metadata?.name;
  const previous = isTrue(url.searchParams.get("previous"));
  let instance = target.instances[0];
  if (previous) {
    instance = instance?.state === "exited" && isWaiting(pod, container) ? instance : target.instances[1];
    if (instance === undefined) {
      return plain(400, `previous terminated container "${container}" in pod "${name}" not found`);
    }
  }
  if (instance === undefined || instance.state === "created") {
    const reason = waitingReason(pod, container);
    return plain(400, `container "${container}" in pod "${name}" is waiting to start: ${reason}`);
  }
  if (sessions.open >= limits.maxSessions) return plain(429, "too many open logs and sessions");
  sessions.open++;
  const body = logBody(target.runtime, instance.id, options, {
    timers: deps.timers,
    onEnd: () => void sessions.open--,
  });
  return new Response(body, { headers: { "content-type": "text/plain" } });
}

function stateOf(pod: Readonly<Pod>, container: string) {
  const statuses = [...pod.status?.initContainerStatuses ?? [], ...pod.status?.containerStatuses ?? []];
  return statuses.find((each) => each.name === container)?.state;
}

function isWaiting(pod: Readonly<Pod>, container: string): boolean {
  return stateOf(pod, container)?.waiting !== undefined;
}

function waitingReason(pod: Readonly<Pod>, container: string): string {
  const { reason = "ContainerCreating", message } = stateOf(pod, container)?.waiting ?? {};
  const bad = reason === "ImagePullBackOff" || reason === "ErrImagePull";
  return bad && message === undefined ? "trying and failing to pull image" : reason;
}

async function stream(
  verb: "exec" | "attach",
  request: Request,
  context: RequestContext,
  url: URL,
  path: readonly string[],
  deps: KubeletServerDeps,
  sessions: { open: number },
): Promise<Response> {
  const target = await findTarget(path, deps.view);
  if (target instanceof Response) return target;
  const running = target.instances.find((each) => each.state === "running");
  if (running === undefined) return plain(404, `container not found ("${target.container}")`);
  if (sessions.open >= limits.maxSessions) return plain(429, "too many open logs and sessions");
  const { searchParams: query } = url;
  const options: StreamOptions = {
    stdin: isTrue(query.get("stdin")),
    stdout: isTrue(query.get("stdout")),
    stderr: isTrue(query.get("stderr")),
    tty: isTrue(query.get("tty")),
  };
  const opened = openSession(request, context, options, deps.timers);
  if ("refusal" in opened) return plain(400, opened.refusal);
  sessions.open++;
  const streamDeps = { timers: deps.timers, runtime: target.runtime };
  const served = opened.link.then(async (link) => {
    if (link === null) return;
    if (verb === "exec") await serveExec(link, running.id, query.getAll("command"), options, streamDeps);
    else await serveAttach(link, running.id, options, streamDeps);
  });
  void served.finally(() => sessions.open--);
  return opened.response;
}

async function portForward(
  request: Request,
  context: RequestContext,
  path: readonly string[],
  deps: KubeletServerDeps,
  sessions: { open: number },
): Promise<Response> {
  const [namespace = "", name = ""] = path;
  const found = deps.view.find(namespace, name);
  if (path.length !== 2 || found === undefined) return plain(404, `pod "${name}" not found`);
  const { pod, runtime } = found;
  const ip = pod.status?.podIP ?? "";
  if (!runtime.reachable || ip === "") return plain(500, `pod ${name} cannot be reached over the network`);
  if (sessions.open >= limits.maxSessions) return plain(429, "too many open logs and sessions");
  const { streams } = deps;
  const opened = openPortForward(request, context, { name, uid: pod.metadata?.uid ?? "", ip, streams });
  if ("refusal" in opened) return plain(400, opened.refusal);
  sessions.open++;
  void opened.done.finally(() => sessions.open--);
  return opened.response;
}
