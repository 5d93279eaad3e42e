import type { Clock, Counter, Histogram, Metrics } from "../../platform/mod.ts";
import type { Filter } from "../exchange.ts";
import { limits } from "../limits.ts";
import type { RequestInfo } from "../request_info.ts";

const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 5, 10, 30, 60];

interface Series {
  readonly total: Pick<Counter, "add">;
  /** Watches have no duration. */
  readonly seconds: Pick<Histogram, "observe"> | null;
}

/** apiserver_request_total and apiserver_request_duration_seconds, with upstream's labels. */
export function measure(metrics: Metrics, clock: Clock): Filter {
  const total = metrics.counter("apiserver_request_total", "Requests by what they asked for and how they ended.");
  const seconds = metrics.histogram("apiserver_request_duration_seconds", "Time to the response, in seconds.", buckets);
  const known = new Map<string, Series>();

  function seriesOf(info: RequestInfo, status: number): Series {
    const { key, labels } = kindOf(info);
    const full = `${key} ${status}`;
    let series = known.get(full);
    if (series === undefined) {
      series = {
        total: total.with({ ...labels, dry_run: "", code: String(status) }),
        seconds: labels.verb === "WATCH" ? null : seconds.with({ ...labels, dry_run: "" }),
      };
      if (known.size < limits.requestSeries) known.set(full, series);
    }
    return series;
  }

  return async (exchange, next) => {
    const start = clock.monotonic();
    const response = await next(exchange);
    const { total, seconds } = seriesOf(exchange.info, response.status);
    total.add(1);
    seconds?.observe((clock.monotonic() - start) / 1000);
    return response;
  };
}

function kindOf(
  info: RequestInfo,
): { readonly key: string; readonly labels: Record<string, string> & { verb: string } } {
  if (info.kind !== "resource") {
    // Paths are not told apart: there is no end of them.
    const verb = methods.has(info.method) ? info.method : "other";
    const none = { group: "", version: "", resource: "", subresource: "", scope: "", component: "apiserver" };
    return { key: verb, labels: { verb, ...none } };
  }
  const { info: { group, version, resource }, subresource, name, namespace } = info;
  const scope = name !== "" ? "resource" : namespace !== "" ? "namespace" : "cluster";
  const verb = verbNames[info.verb] ?? info.verb.toUpperCase();
  const labels = { verb, group, version, resource, subresource, scope, component: "apiserver" };
  return { key: `${verb} ${scope} ${resource}/${subresource} ${version} ${group}`, labels };
}

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Methods where upstream says so, and not verbs. */
const verbNames: Readonly<Record<string, string>> = {
  create: "POST",
  update: "PUT",
  deletecollection: "DELETECOLLECTION",
};
