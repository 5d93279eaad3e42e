import { badRequest, notFound } from "../../api/status.ts";
import { pods } from "../../api/resources.ts";
import type { ServerDeps } from "../config.ts";
import { dig, text } from "../dig.ts";
import type { Exchange } from "../exchange.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";
import type { ResourceRequest } from "../request_info.ts";
import { kubeletAddress, kubeletClient } from "./kubelet.ts";
import { canPassUpgrade, passUpgrade } from "./upgrade.ts";

/** Port-forward: the client's connection is the kubelet's, whatever is spoken on it. */
export async function handlePortForward(
  registry: Registry,
  deps: ServerDeps,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const { namespace, name } = request;
  const client = kubeletClient(deps);
  if (!canPassUpgrade(exchange, client)) throw badRequest("Upgrade request required");
  const { object: pod } = await readCurrent(registry, keyOf(registry.strategy(pods), namespace, name));
  if (pod === null) throw notFound(pods, name);
  const node = text(dig(pod, "spec", "nodeName"));
  if (node === "") throw badRequest(`pod ${name} does not have a host assigned`);
  const path = ["portForward", namespace, name].map(encodeURIComponent).join("/");
  const ports = new URLSearchParams(request.query.getAll("ports").map((port) => ["ports", port]));
  const url = `https://${await kubeletAddress(registry, node)}/${path}?${ports}`;
  return await passUpgrade(registry, exchange, client, url);
}
