/**
 * Signs what happened to a set's points and chains it in the catalog. What a set's index says is due
 * becomes entries here, each once, whatever crashes in between: the index keeps a row until the
 * catalog has it, and the catalog knows each row by its origin.
 */
import type { Clock } from '../../shared/clock.js';
import {
  type Entry,
  type ExportLine,
  type Head,
  type KeyStep,
  readEntry,
  type Signed,
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
import type { SetStore } from '../history/set-store.js';
import type { IndexDb } from '../index/index-db.js';
import type { CertificateKeys } from './certificate-keys.js';
import type { CertificateLog } from './certificate-log.js';
import type { NewCheck } from './new-check.js';
import { dropDue, duePoint, dueRows, type NewPoint } from './certificates-due.js';

export interface CertifierDeps {
  readonly log: CertificateLog;
  readonly keys: CertificateKeys;
  readonly clock: Clock;
  /** Hears of every check, and whether scrubbing or somebody who asked made it. */
  readonly onCheck?: (set: string, check: NewCheck, by: CheckedBy) => void;
}

export type CheckedBy = 'scrub' | 'verify';

interface NewEntry {
  readonly set: string;
  readonly facts: Facts;
  readonly origin?: Buffer;
  readonly countersigner?: SigningKey;
}

export class Certifier {
  readonly #deps: CertifierDeps;
  /** Indexes of the sets that are open. */
  readonly #live = new Map<string, IndexDb>();

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

  /**
   * Puts a set under certificates when it is opened: writes what a crash left due, and certifies
   * points that the catalog does not know, because it was put back to an older copy. Before the set's
   * writer runs, on its connection; `reader` is one that sees committed rows only.
   */
  open(set: string, index: IndexDb, reader: IndexDb): void {
    const { log } = this.#deps;
    this.#live.set(set, reader);
    this.certify(set, index);
    const unknown = index
      .all<NewPoint>(
        `SELECT p.point, p.time_ms AS timeMs, p.chain, p.outcome, p.files, p.bytes, d.digest
         FROM point p JOIN point_digest d ON d.point = p.point ORDER BY p.point`,
      )
      .filter(({ point }) => !log.hasPoint(set, point));
    if (unknown.length === 0) return;
    index.durably(() => {
      for (const row of unknown) duePoint(index, row);
    });
    this.certify(set, index);
  }

  /** The set is closed: its points are not known any more. */
  close(set: string): void {
    this.#live.delete(set);
  }

  /** Whether there is anything to say of a set of this name. */
  knows(set: string): boolean {
    return this.#live.has(set) || this.#deps.log.end(set).sequence > 0;
  }

  /** Certifies that points were looked at, and what was found. */
  recordCheck(set: string, { points, ...check }: NewCheck, by: CheckedBy = 'verify'): void {
    if (points.length === 0) return;
    this.#deps.onCheck?.(set, { points, ...check }, by);
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
  *export(set: string): Generator<ExportLine> {
    const { log } = this.#deps;
    // All of this before the first line: later entries belong to a later export.
    const end = log.end(set);
    const steps = log.keySteps();
    const head = this.#signHead({ set, ...end, ...pointsOf(this.#live.get(set)) });
    yield { type: 'set', format: 1, set };
    for (const step of steps) yield { type: 'key', ...step };
    for (const entry of log.entries(set, end.sequence)) yield { type: 'entry', ...entry };
    yield { type: 'head', ...head };
  }

  /** All entries that speak of a point, in order. */
  ofPoint(set: string, point: number): Signed[] {
    return this.#deps.log.ofPoint(set, point);
  }

  /** The key that a set's chain goes on with, when it is not the one that is here: it was lost. */
  lostKey(set: string): string | undefined {
    const last = this.#deps.log.last(set);
    if (last === undefined) return undefined;
    const { key, facts } = readEntry(last.text);
    const expected = facts.kind === 'key' ? facts.next : key;
    return expected === this.publicKey ? undefined : expected;
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

/** The points of a set that is open, and what of them waits for its certificate. */
function pointsOf(index: IndexDb | undefined): Pick<Head, 'points' | 'due'> {
  const due: { points: PointRanges; removed: PointRanges } = { points: [], removed: [] };
  if (index === undefined) return { points: null, due };
  for (const { facts } of dueRows(index)) {
    const of = factsSchema.parse(JSON.parse(facts));
    if (of.kind === 'point') due.points.push([of.point, of.point]);
    if (of.kind === 'removal') due.removed.push(...of.points);
  }
  const points = index.all<{ point: number }>('SELECT point FROM point').map(({ point }) => point);
  return { points: toRanges(points), due };
}

interface OfSet {
  readonly certifier: Certifier;
  readonly store: SetStore;
  readonly log: Log;
}

/** After a cut or a removal: a failure is logged and what is due tried again after the next. */
export function certifyQuietly({ certifier, store, log }: OfSet): void {
  quietly(log, store.set, () => {
    certifier.certify(store.set, store.writer);
  });
}

/** After points were looked at. */
export function recordCheckQuietly({ certifier, store, log }: OfSet, check: NewCheck): void {
  quietly(log, store.set, () => {
    certifier.recordCheck(store.set, check, 'scrub');
  });
}

/** When a set is opened: its points matter more than their certificates. */
export function openQuietly({ certifier, store, log }: OfSet): void {
  quietly(log, store.set, () => {
    const key = certifier.lostKey(store.set);
    if (key !== undefined) {
      log.error('certificates go on with a key that the old one did not sign', undefined, {
        set: store.set,
        key: certifier.publicKey,
        old: key,
      });
    }
    certifier.open(store.set, store.writer, store.index);
  });
}

function quietly(log: Log, set: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    log.error('certificates are not written; what is due stays due', error, { set });
  }
}
