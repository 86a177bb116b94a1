/** Writes a chain and its export as a replica would, and as one would that nobody should trust. */
import {
  digestOf,
  type Entry,
  type ExportLine,
  type Head,
  type KeyStep,
  NO_ENTRY,
  type Signed,
  signText,
} from '../../../../shared/certificate/certificate.js';
import type { Facts, PointFacts, PointRanges } from '../../../../shared/certificate/facts.js';
import { generateSigningKey, type SigningKey } from '../../../../shared/seal/signing-key.js';

export const key = generateSigningKey();
export const nextKey = generateSigningKey();

export function pointFacts(point: number): PointFacts {
  return {
    kind: 'point',
    point,
    parent: point - 1,
    timeMs: point * 1000,
    digest: point.toString(16).padStart(64, '0'),
    chain: point.toString(16).padStart(64, 'c'),
    consistency: 'crash',
    recipe: 'none',
    heldMs: 0,
    files: point,
    bytes: 10 * point,
    checked: [],
  };
}

export const removal = (points: PointRanges): Facts => ({
  kind: 'removal',
  points,
  policy: 'keep last 2',
  by: 'schedule',
  timeMs: 1,
});

/** Writes an export as the replica would. */
export class Chain {
  readonly entries: Signed[] = [];
  readonly steps: Signed[] = [];
  #signer: SigningKey;
  #previous = NO_ENTRY;
  #sequence = 0;

  constructor(signer = key) {
    this.#signer = signer;
  }

  static ofPoints(count: number): Chain {
    const chain = new Chain();
    for (let point = 1; point <= count; point += 1) chain.add(pointFacts(point));
    return chain;
  }

  get headDigest(): string {
    return this.#previous;
  }

  add(facts: Facts, change: Partial<Entry> = {}): this {
    const entry: Entry = {
      format: 1,
      set: 'shop',
      sequence: this.#sequence + 1,
      previous: this.#previous,
      key: this.#signer.publicKey,
      writtenMs: 5,
      facts,
      ...change,
    };
    const countersigner = facts.kind === 'key' ? nextKey : undefined;
    const signed = signText('certificate', entry, { signer: this.#signer, countersigner });
    this.entries.push(signed);
    this.#sequence = entry.sequence;
    this.#previous = digestOf('certificate', signed.text);
    return this;
  }

  changeKey(): this {
    this.add({ kind: 'key', next: nextKey.publicKey, timeMs: 1 });
    const step: KeyStep = { format: 1, from: key.publicKey, to: nextKey.publicKey, timeMs: 1 };
    this.steps.push(signText('key', step, { signer: key, countersigner: nextKey }));
    return this.signWith(nextKey);
  }

  signWith(signer: SigningKey): this {
    this.#signer = signer;
    return this;
  }

  lines(points: PointRanges, change: Partial<Head> = {}): ExportLine[] {
    const head: Head = {
      format: 1,
      set: 'shop',
      sequence: this.#sequence,
      head: this.#previous,
      key: this.#signer.publicKey,
      writtenMs: 9,
      points,
      due: { points: [], removed: [] },
      ...change,
    };
    return [
      { type: 'set', format: 1, set: 'shop' },
      ...this.steps.map((step): ExportLine => ({ type: 'key', ...step })),
      ...this.entries.map((entry): ExportLine => ({ type: 'entry', ...entry })),
      { type: 'head', ...signText('head', head, { signer: this.#signer }) },
    ];
  }
}
