/**
 * Metrics that are read when they are asked for: each family names where its values come from, so that
 * nothing is counted, kept or locked for them between two scrapes. No state is shared between
 * registries; names begin with `afterimage_` and end with their unit.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  /** Left out of the answer when null: not known is not 0. */
  readonly value: number | null;
}

export interface Family {
  /** Without `afterimage_`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Asked at every scrape. */
  readonly read: () => Iterable<Sample>;
}

export const PREFIX = 'afterimage_';

export class MetricFamilies {
  readonly #registry = new Registry();

  /** Values that go up and down. */
  gauge({ name, help, labels = [], read }: Family): void {
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const sample of read()) {
          if (sample.value !== null) this.set({ ...sample.labels }, sample.value);
        }
      },
    });
  }

  /** Values that only grow while the process lives; the name ends with `_total`. */
  counter({ name, help, labels = [], read }: Family): void {
    new Counter({
      name: PREFIX + name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels: of, value } of read()) if (value !== null) this.inc({ ...of }, value);
      },
    });
  }

  /** Counts what is observed, as it happens; `buckets` are upper bounds. */
  histogram(of: {
    readonly name: string;
    readonly help: string;
    readonly labels: readonly string[];
    readonly buckets: readonly number[];
  }): { observe(labels: Labels, value: number): void } {
    const histogram = new Histogram({
      name: PREFIX + of.name,
      help: of.help,
      labelNames: [...of.labels],
      buckets: [...of.buckets],
      registers: [this.#registry],
    });
    return {
      observe: (labels, value) => {
        histogram.observe({ ...labels }, value);
      },
    };
  }

  /** Names of all families, for what is built on them. */
  names(): string[] {
    return this.#registry.getMetricsAsArray().map(({ name }) => name);
  }

  /** Media type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Prometheus's text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
