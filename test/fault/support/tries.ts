/** Counts what becomes of tries, kind by kind, and says why when one was not survived. */
import type { CampaignOptions, Outcome } from '../campaign.js';
import type { Product } from '../../system/support/product.js';
import { Broken } from './witness.js';

const LOG_LINES_SHOWN = 40;

type Tally = { -readonly [key in keyof Outcome]: Outcome[key] };

/** After what broke the product under test is of no more use. */
export class Abandoned extends Error {}

export class Tries {
  readonly #options: CampaignOptions;
  readonly #tallies = new Map<string, Tally>();

  /** Kinds in the order of their rows. */
  constructor(options: CampaignOptions, kinds: readonly string[]) {
    this.#options = options;
    for (const kind of kinds) this.#tally(kind);
  }

  get outcomes(): Outcome[] {
    return [...this.#tallies.values()];
  }

  /** Nothing of the kind could be tried. */
  skip(kind: string, why: string): void {
    const tally = this.#tally(kind);
    if (tally.tried === 0) tally.skipped = why;
  }

  /**
   * Makes trouble; resolves with a few words on it. `tries` of them stand or fall together.
   * @throws Abandoned when it was not survived
   */
  async make(
    at: { readonly kind: string; readonly product: Product; readonly tries?: number },
    trouble: () => Promise<string>,
  ): Promise<void> {
    const { kind, product, tries = 1 } = at;
    const tally = this.#tally(kind);
    delete tally.skipped;
    tally.tried += tries;
    const startMs = performance.now();
    try {
      const what = await trouble();
      tally.survived += tries;
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      this.#options.log(`${kind}: ${what}; ${seconds} s`);
    } catch (error) {
      if (error instanceof Broken) {
        tally.lost += error.lost;
        tally.wrong += error.wrong;
      }
      this.#explain(kind, product, error);
      throw new Abandoned(kind, { cause: error });
    }
  }

  #explain(kind: string, product: Product, error: unknown): void {
    const options = this.#options;
    options.log(`${kind}, seed ${options.seed}: ${textOf(error)}`);
    for (const role of ['replica', 'agent'] as const) {
      const said = product.log(role).trimEnd().split('\n').slice(-LOG_LINES_SHOWN);
      options.log(`the ${role} says:\n${said.join('\n')}`);
    }
  }

  #tally(kind: string): Tally {
    const tally = this.#tallies.get(kind) ?? { kind, tried: 0, survived: 0, lost: 0, wrong: 0 };
    this.#tallies.set(kind, tally);
    return tally;
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${textOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

/** How many tries a share of the full amount is; at least one. */
export function amount(full: number, budget: number): number {
  return Math.max(1, Math.round(full * budget));
}
