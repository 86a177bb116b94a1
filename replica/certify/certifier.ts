/**
 * Signs what happened to a set's points and chains it in the catalog. What a set's index says is due
 * becomes entries here, each once, whatever crashes in between: the index keeps a row until the
 * catalog has it, and the catalog knows each row by its origin.
 */
import type { Clock } from '../../shared/clock.js';
import {
  type ExportLine,
  type Entry,
  type Head,
  type KeyStep,
  signText,
} from '../../shared/certificate/certificate.js';
import {
  type CheckFacts,
  type Facts,
  factsSchema,
  type PointRanges,
  toRanges,
} from '../../shared/certificate/facts.js';
import type { Log } from '../../shared/log.js';
import type { SigningKey } from '../../shared/seal/signing-key.js';
import type { IndexDb } from '../index/index-db.js';
import type { CertificateKeys } from './certificate-keys.js';
import type { CertificateLog } from './certificate-log.js';
import { dropDue, dueRows } from './certificates-due.js';

export interface CertifierDeps {
  readonly log: CertificateLog;
  readonly keys: CertificateKeys;
  readonly clock: Clock;
}

interface NewEntry {
  readonly set: string;
  readonly facts: Facts;
  readonly origin?: Buffer;
  readonly countersigner?: SigningKey;
}

/** A look at some points, to be certified. */
export type NewCheck = Omit<CheckFacts, 'kind' | 'points'> & { readonly points: readonly number[] };

export class Certifier {
  readonly #deps: CertifierDeps;

  constructor(deps: CertifierDeps) {
    this.#deps = deps;
  }

  get publicKey(): string {
    return this.#deps.keys.current.publicKey;
  }

  /**
   * Writes what the set's index says is due; how many entries. On the writer's connection, under the
   * set's lock, outside any transaction. What fails stays due.
   */
  certify(set: string, index: IndexDb): number {
    const rows = dueRows(index);
    if (rows.length === 0) return 0;
    const { log } = this.#deps;
    const written = log.together(() => {
      let count = 0;
      for (const { origin, facts } of rows) {
        if (log.hasOrigin(set, origin)) continue;
        this.#append({ set, origin, facts: factsSchema.parse(JSON.parse(facts)) });
        count += 1;
      }
      return count;
    });
    // A row that comes back after a power cut is known by its origin, so no flush is spent on it.
    index.db.pragma('synchronous = NORMAL');
    try {
      dropDue(index, rows);
    } finally {
      index.db.pragma('synchronous = FULL');
    }
    return written;
  }

  /** Certifies that points were looked at, and what was found. */
  recordCheck(set: string, { points, ...check }: NewCheck): void {
    if (points.length === 0) return;
    const facts: CheckFacts = { kind: 'check', points: toRanges(points), ...check };
    this.#deps.log.together(() => {
      this.#append({ set, facts });
    });
  }

  /** Replaces the signing key. The old one signs the new one in every chain, then is forgotten. */
  replaceKey(): { readonly previous: string; readonly current: string } {
    const { keys, log, clock } = this.#deps;
    const previous = this.publicKey;
    keys.replace((current, next) => {
      const timeMs = clock.now();
      const step: KeyStep = { format: 1, from: current.publicKey, to: next.publicKey, timeMs };
      log.together(() => {
        const facts: Facts = { kind: 'key', next: next.publicKey, timeMs };
        for (const set of log.sets()) this.#append({ set, facts, countersigner: next });
        log.addKeyStep(
          next.publicKey,
          signText('key', step, { signer: current, countersigner: next }),
        );
      });
    });
    return { previous, current: this.publicKey };
  }

  /** Lines of an export: the keys, the chain, and a signed head that says which points exist. */
  *export(
    set: string,
    now: { readonly points: readonly number[]; readonly index: IndexDb },
  ): Generator<ExportLine> {
    const { log } = this.#deps;
    // All of this before the first line: later entries belong to a later export.
    const end = log.end(set);
    const steps = log.keySteps();
    const head = this.#signHead({
      set,
      ...end,
      points: toRanges(now.points),
      due: dueOf(now.index),
    });
    yield { type: 'set', format: 1, set };
    for (const step of steps) yield { type: 'key', ...step };
    for (const entry of log.entries(set, end.sequence)) yield { type: 'entry', ...entry };
    yield { type: 'head', ...head };
  }

  #signHead(head: Omit<Head, 'format' | 'key' | 'writtenMs'>): ReturnType<typeof signText> {
    const signer = this.#deps.keys.current;
    const writtenMs = this.#deps.clock.now();
    const content: Head = { format: 1, ...head, key: signer.publicKey, writtenMs };
    return signText('head', content, { signer });
  }

  #append({ set, facts, origin, countersigner }: NewEntry): void {
    const { log, keys, clock } = this.#deps;
    const end = log.end(set);
    const signer = keys.current;
    const sequence = end.sequence + 1;
    const entry: Entry = {
      format: 1,
      set,
      sequence,
      previous: end.head,
      key: signer.publicKey,
      writtenMs: clock.now(),
      facts,
    };
    log.append({
      set,
      sequence,
      kind: facts.kind,
      point: facts.kind === 'point' ? facts.point : null,
      origin: origin ?? null,
      signed: signText('certificate', entry, { signer, countersigner }),
    });
  }
}

function dueOf(index: IndexDb): { points: PointRanges; removed: PointRanges } {
  const points: number[] = [];
  const removed: PointRanges = [];
  for (const { facts } of dueRows(index)) {
    const due = factsSchema.parse(JSON.parse(facts));
    if (due.kind === 'point') points.push(due.point);
    if (due.kind === 'removal') removed.push(...due.points);
  }
  return { points: toRanges(points), removed };
}

/** What a set's writer calls; failures are logged and tried again at the next cut. */
export function certifyQuietly(
  certifier: Certifier,
  at: { readonly set: string; readonly index: IndexDb; readonly log: Log },
): void {
  try {
    certifier.certify(at.set, at.index);
  } catch (error) {
    at.log.error('certificates are not written yet; they stay due', error, { set: at.set });
  }
}
