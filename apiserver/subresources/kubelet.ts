import type { KubeObject } from "../../api/meta.ts";
import { nodes, pods } from "../../api/resources.ts";
import { ApiError, badRequest, failure, internal, notFound, serviceUnavailable } from "../../api/status.ts";
import type { HttpClient } from "../../platform/mod.ts";
import { dig, items, record, text, texts, whole } from "../dig.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";

/** A container and where the kubelet that runs it answers. */
export interface ContainerPlace {
  readonly pod: KubeObject;
  readonly container: string;
  /** `127.0.1.2:10250`; null: the pod is bound to no node yet. */
  readonly kubelet: string | null;
}

export interface KubeletDeps {
  readonly kubelets?: HttpClient;
}

/** @throws ApiError 503 when this server was given no way to reach kubelets */
export function kubeletClient(deps: KubeletDeps): HttpClient {
  if (deps.kubelets === undefined) throw serviceUnavailable("this apiserver has no connection to kubelets");
  return deps.kubelets;
}

/** @param asked the container's name; "" where the pod has but one @throws ApiError 404, 400 in upstream's words */
export async function findContainer(
  registry: Registry,
  namespace: string,
  name: string,
  asked: string,
): Promise<ContainerPlace> {
  const strategy = registry.strategy(pods);
  const { object: pod } = await readCurrent(registry, keyOf(strategy, namespace, name));
  if (pod === null) throw notFound(pods, name);
  const container = chooseContainer(pod, name, asked);
  const node = text(dig(pod, "spec", "nodeName"));
  return { pod, container, kubelet: node === "" ? null : await kubeletAddress(registry, node) };
}

function chooseContainer(pod: KubeObject, name: string, asked: string): string {
  const main = names(pod, "containers");
  const init = names(pod, "initContainers");
  if (asked !== "") {
    if ([...main, ...init, ...names(pod, "ephemeralContainers")].includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const only = main[0];
  if (main.length === 1 && only !== undefined && init.length === 0) return only;
  if (main.length === 0) throw badRequest(`a container name must be specified for pod ${name}`);
  const choice = `a container name must be specified for pod ${name}, choose one of: [${main.join(" ")}]`;
  throw badRequest(init.length > 0 ? `${choice} or one of the init containers: [${init.join(" ")}]` : choice);
}

function names(pod: KubeObject, list: string): string[] {
  return texts(items(dig(pod, "spec", list)).map((it) => record(it)["name"]));
}

/** @throws ApiError 404, 500 */
export async function kubeletAddress(registry: Registry, node: string): Promise<string> {
  const strategy = registry.strategy(nodes);
  const { object } = await readCurrent(registry, keyOf(strategy, "", node));
  if (object === null) throw notFound(nodes, node);
  const addresses = items(dig(object, "status", "addresses")).map(record);
  const address = text(addresses.find((it) => it["type"] === "InternalIP")?.["address"]);
  const port = whole(dig(object, "status", "daemonEndpoints", "kubeletEndpoint", "Port"));
  if (address === "" || port === 0) throw noAddress(node);
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function noAddress(node: string): ApiError {
  return internal(`no preferred addresses found; known addresses: [] (node "${node}")`);
}

/** The kubelet's refusal as a Status: its own words. */
export async function kubeletFailure(answer: Response): Promise<ApiError> {
  const said = (await answer.text()).trim().slice(0, 4096);
  const text = said === "" ? `the kubelet answered ${answer.status}` : said;
  switch (answer.status) {
    case 400:
      return badRequest(text);
    case 404:
      return new ApiError(failure("NotFound", text));
    default:
      return internal(text);
  }
}
