import { invalid as invalidField } from "../../api/field_errors.ts";
import { ApiError, badRequest, internal, invalid } from "../../api/status.ts";
import type { ServerDeps } from "../config.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { holdLongRunning } from "../long_running.ts";
import { isTrue, type ResourceRequest } from "../request_info.ts";
import { findContainer, kubeletClient, kubeletFailure } from "./kubelet.ts";
import { counted } from "./proxy.ts";

/** GET pods/NAME/log: the kubelet's text, passed on as it comes. */
export async function handleLog(
  registry: Registry,
  deps: ServerDeps,
  request: ResourceRequest,
): Promise<Response> {
  const query = logQuery(request.query);
  const place = await findContainer(registry, request.namespace, request.name, request.query.get("container") ?? "");
  // Not bound to a node: there is nothing to read, and that is no error.
  if (place.kubelet === null) return new Response(null, { status: 204 });
  const path = ["containerLogs", request.namespace, request.name, place.container].map(encodeURIComponent).join("/");
  const hold = holdLongRunning(registry);
  const abort = new AbortController();
  const timer = registry.timers.schedule(
    limits.kubeletDialMs,
    () => abort.abort(new DOMException("the kubelet did not answer in time", "TimeoutError")),
  );
  try {
    const answer = await kubeletClient(deps).fetch(`https://${place.kubelet}/${path}?${query}`, {
      redirect: "error",
      signal: abort.signal,
    });
    if (!answer.ok) throw await kubeletFailure(answer);
    const body = answer.body === null ? null : counted(answer.body, hold.release);
    if (body === null) hold.release();
    return new Response(body, { headers: { "content-type": "text/plain" } });
  } catch (error) {
    hold.release();
    throw error instanceof ApiError ? error : internal(error);
  } finally {
    timer.cancel();
  }
}

const flags = ["follow", "previous", "timestamps"] as const;
const numbers = ["sinceSeconds", "tailLines", "limitBytes"] as const;

/** PodLogOptions, checked, as the kubelet takes them. */
function logQuery(given: URLSearchParams): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of flags) if (isTrue(given.get(name))) query.set(name, "true");
  for (const name of numbers) {
    const value = given.get(name);
    if (value === null || value === "") continue;
    if (!/^[+-]?\d{1,15}$/.test(value)) throw badRequest(`invalid ${name}: ${JSON.stringify(value)}`);
    const least = name === "tailLines" ? 0 : 1;
    if (Number(value) < least) {
      const detail = `must be greater than ${least === 0 ? "or equal to 0" : "0"}`;
      throw invalid({ group: "", kind: "PodLogOptions" }, "", [invalidField(name, Number(value), detail)]);
    }
    query.set(name, value);
  }
  const sinceTime = given.get("sinceTime");
  if (sinceTime !== null && sinceTime !== "") query.set("sinceTime", sinceTime);
  const stream = given.get("stream");
  if (stream !== null && stream !== "" && stream !== "All") query.set("stream", stream);
  return query;
}
