/**
 * Which blocks of the product's code were run since the last look, by V8's own precise coverage: for
 * keeping fuzz inputs that reach something new.
 */
import { Session } from 'node:inspector/promises';

interface CoveredScript {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[];
  }[];
}

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  static async start(): Promise<Coverage> {
    const coverage = new Coverage();
    coverage.#session.connect();
    await coverage.#session.post('Profiler.enable');
    await coverage.#session.post('Profiler.startPreciseCoverage', {
      callCount: true,
      detailed: true,
    });
    return coverage;
  }

  get blocks(): number {
    return this.#seen.size;
  }

  /** Blocks that ran since the last look and never before, of the files of the product. */
  async news(): Promise<string[]> {
    const { result } = (await this.#session.post('Profiler.takePreciseCoverage')) as {
      result: readonly CoveredScript[];
    };
    const news: string[] = [];
    for (const { url, functions } of result) {
      if (!/\/(shared|replica|agent)\/[^?]*\.[jt]s/.test(url)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          const block = `${url}:${startOffset}-${endOffset}`;
          if (count > 0 && !this.#seen.has(block)) news.push(block);
        }
      }
    }
    return news;
  }

  remember(blocks: readonly string[]): void {
    for (const block of blocks) this.#seen.add(block);
  }

  async stop(): Promise<void> {
    await this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}
