/** What a fault campaign is: one kind of trouble, made many times over, and what became of the data. */

export interface CampaignOptions {
  /** Printed with every failure; the same seed makes the same troubles where time plays no part. */
  readonly seed: number;
  /** 1 for the published amount of tries, less for a taste. */
  readonly budget: number;
  log(line: string): void;
}

/** One row of the published table. */
export interface Outcome {
  /** What was done to the product, in a few words. */
  readonly kind: string;
  readonly tried: number;
  /** Tries after which all that had been acknowledged was there and right, and the product went on. */
  readonly survived: number;
  /** Acknowledged syncs or points that were gone. */
  readonly lost: number;
  /** Reads that gave other bytes or other metadata than those of their point. */
  readonly wrong: number;
  /** Why nothing was tried: a part this machine lacks. */
  readonly skipped?: string;
}

export interface Campaign {
  readonly name: string;
  run(options: CampaignOptions): Promise<readonly Outcome[]>;
}
