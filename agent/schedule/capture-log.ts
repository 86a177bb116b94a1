/**
 * Brings what a capture source reports into the journal, in one transaction a burst. A journal that
 * cannot be written ends nothing: it keeps what was recorded, and every sync scans anyway.
 */
import type { Log } from '../../shared/log.js';
import type { CaptureReport } from '../capture/capture-source.js';
import type { Journal } from '../journal/journal.js';

/** Between writes of the journal, so that a burst is one transaction. */
const JOURNAL_MS = 50;
/** While the journal cannot be written it is said this often. */
const SAID_EVERY_MS = 60_000;

export class CaptureLog {
  readonly #journal: Journal;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #saidMs = -Infinity;

  constructor(journal: Journal, log: Log) {
    this.#journal = journal;
    this.#log = log;
  }

  take(seen: CaptureReport): void {
    if (seen.type === 'changed') this.#journal.record(seen.path);
    else if (seen.type === 'arrived') this.#journal.record(seen.path, 'deep');
    else if (seen.type === 'gap') this.openGap(seen);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#write(() => {
        this.#journal.flush();
      });
    }, JOURNAL_MS).unref();
  }

  openGap(gap: Parameters<Journal['openGap']>[0]): void {
    this.#write(() => {
      this.#journal.openGap(gap);
    });
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #write(write: () => void): void {
    try {
      write();
      this.#saidMs = -Infinity;
    } catch (error) {
      const nowMs = performance.now();
      if (nowMs - this.#saidMs < SAID_EVERY_MS) return;
      this.#saidMs = nowMs;
      this.#log.error('the journal cannot be written; it keeps what it knows in memory', error);
    }
  }
}
