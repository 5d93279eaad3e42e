import * as hdr from "hdr-histogram-js";

/** Percentiles of one latency, in the unit that its name in the report says. */
export interface Summary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const highestMicroseconds = 3_600e6;

/** An HDR histogram of durations: microseconds, three significant digits. */
export class Latency {
  readonly #histogram = hdr.build({
    bitBucketSize: 32,
    numberOfSignificantValueDigits: 3,
    lowestDiscernibleValue: 1,
    highestTrackableValue: highestMicroseconds,
  });

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(milliseconds: number): void {
    this.#histogram.recordValue(Math.min(highestMicroseconds, Math.max(1, Math.round(milliseconds * 1_000))));
  }

  /** @param unit of the result */
  summary(unit: "ms" | "us"): Summary {
    const scale = unit === "ms" ? 1_000 : 1;
    const value = (microseconds: number) => this.count === 0 ? 0 : Math.round(microseconds / scale * 1_000) / 1_000;
    // A percentile is the upper edge of its bucket, which may lie beyond the largest value seen.
    const at = (percentile: number) =>
      value(Math.min(this.#histogram.getValueAtPercentile(percentile), this.#histogram.maxValue));
    return {
      count: this.count,
      mean: value(this.#histogram.mean),
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: value(this.#histogram.maxValue),
    };
  }

  /** The percentile table that HdrHistogram's plotters read; values in milliseconds. */
  hgrm(): string {
    return this.#histogram.outputPercentileDistribution(5, 1_000);
  }

  /** Milliseconds at evenly spaced powers of 1/(1 - share): the plot's points. */
  curve(): { readonly percentile: number; readonly ms: number }[] {
    const points: { percentile: number; ms: number }[] = [];
    if (this.count === 0) return points;
    const decades = Math.max(1, Math.log10(this.count));
    const steps = 120;
    for (let i = 0; i <= steps; i++) {
      const percentile = 100 * (1 - 10 ** (-decades * i / steps));
      points.push({ percentile, ms: this.#histogram.getValueAtPercentile(percentile) / 1_000 });
    }
    return points;
  }
}
