import type { Clock, Metrics } from "../../platform/mod.ts";
import type { Filter } from "../exchange.ts";

const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 5, 10, 30, 60];

/** Upstream's names: apiserver_request_total and apiserver_request_duration_seconds. Watches have no duration. */
export function measure(metrics: Metrics, clock: Clock): Filter {
  const total = metrics.counter("apiserver_request_total", "Requests by verb, resource, sub-resource and code.");
  const seconds = metrics.histogram("apiserver_request_duration_seconds", "Time to the response, in seconds.", buckets);
  return async (exchange, next) => {
    const start = clock.monotonic();
    const response = await next(exchange);
    const { info } = exchange;
    const labels = info.kind === "resource"
      ? { verb: info.verb.toUpperCase(), resource: info.info.resource, subresource: info.subresource }
      : { verb: info.method, resource: "", subresource: "" };
    total.add(1, { ...labels, code: String(response.status) });
    if (labels.verb !== "WATCH") seconds.observe((clock.monotonic() - start) / 1000, labels);
    return response;
  };
}
