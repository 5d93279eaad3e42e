import type { Counter, Histogram, Metrics } from "../platform/mod.ts";

/** Upstream's bounds, in seconds. */
const buckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];
/** What upstream calls the code of a request that got no answer. */
const noAnswer = "<error>";

/** Counts the requests to one apiserver. */
export interface HostMetrics {
  /** @param code null: no answer came @param seconds null for a watch, whose length is no latency */
  answered(method: string, code: number | null, seconds: number | null): void;
}

interface MethodSeries {
  readonly seconds: Pick<Histogram, "observe">;
  readonly codes: Map<number | null, Pick<Counter, "add">>;
}

/**
 * rest_client_requests_total and rest_client_request_duration_seconds for one host, with upstream's labels. Bounded: the
 * methods are those of the client, the codes those of HTTP. A series is found by two lookups, without making a key.
 */
export function hostMetrics(metrics: Metrics, host: string): HostMetrics {
  const total = metrics.counter("rest_client_requests_total", "HTTP requests, by status code, method and host.");
  const seconds = metrics.histogram(
    "rest_client_request_duration_seconds",
    "Latency of requests in seconds, by verb and host.",
    buckets,
  );
  const methods = new Map<string, MethodSeries>();

  function seriesOf(method: string): MethodSeries {
    let series = methods.get(method);
    if (series === undefined) {
      series = { seconds: seconds.with({ verb: method, host }), codes: new Map() };
      methods.set(method, series);
    }
    return series;
  }

  return {
    answered(method, code, took) {
      const series = seriesOf(method);
      let count = series.codes.get(code);
      if (count === undefined) {
        count = total.with({ code: code === null ? noAnswer : String(code), method, host });
        series.codes.set(code, count);
      }
      count.add();
      if (took !== null) series.seconds.observe(took);
    },
  };
}
