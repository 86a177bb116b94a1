/**
 * What a disk holds after power went: everything written before the last flush that was answered,
 * and of the later writes any mix, some of them torn. Cuts are made in the order of the log, so that
 * what is surely on disk is laid down once.
 */
import fs from 'node:fs';
import { Seeded } from '../../support/seeded.js';
import { call } from './block-devices.js';
import type { LogEntry, WriteLog } from './write-log.js';

/** Torn writes come down in units of one of these. */
const UNITS = [512, 4096];
const WHOLE = 0.4;
const TORN = 0.3;

export class CutImages {
  readonly #log: WriteLog;
  readonly #surely: string;
  #surelyUpTo = 0;

  /** `surely` is the image as it was before the first write; it is changed. */
  constructor(log: WriteLog, surely: string) {
    this.#log = log;
    this.#surely = surely;
  }

  /** Writes the disk as it is when power goes before entry `cut`, which must not decrease, to `image`. */
  cut(cut: number, { image, random }: { readonly image: string; readonly random: Seeded }): void {
    const entries = this.#log.entries;
    const flushed = lastFlush(entries, cut);
    this.#write(this.#surely, entries.slice(this.#surelyUpTo, flushed));
    this.#surelyUpTo = Math.max(this.#surelyUpTo, flushed);
    call('cp', ['--sparse=always', this.#surely, image]);
    this.#write(image, entries.slice(flushed, cut), random);
  }

  /** With `random`, not all of them and not all in whole. */
  #write(file: string, entries: readonly LogEntry[], random?: Seeded): void {
    const unit = random?.pick(UNITS) ?? 0;
    const fd = fs.openSync(file, 'r+');
    try {
      for (const entry of entries) {
        if (entry.type !== 'write') continue;
        const bytes = this.#log.bytes(entry);
        const fate = random === undefined ? 0 : random.below(1000) / 1000;
        if (fate < WHOLE) fs.writeSync(fd, bytes, 0, bytes.length, entry.offset);
        else if (random !== undefined && fate < WHOLE + TORN) {
          for (let from = 0; from < bytes.length; from += unit) {
            const length = Math.min(unit, bytes.length - from);
            if (random.chance(0.5)) fs.writeSync(fd, bytes, from, length, entry.offset + from);
          }
        }
      }
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** One past the newest flush before `cut`. */
function lastFlush(entries: readonly LogEntry[], cut: number): number {
  for (let at = cut; at > 0; at -= 1) if (entries[at - 1]?.type === 'flush') return at;
  return 0;
}

/** Entries before which power goes: right after a mark, before a flush, and anywhere. In order. */
export function chooseCuts(
  entries: readonly LogEntry[],
  { count, random }: { readonly count: number; readonly random: Seeded },
): number[] {
  const anywhere = entries.map((_, index) => index + 1);
  const after = (type: LogEntry['type'], shift: number): number[] =>
    anywhere.filter((at) => entries[at - 1]?.type === type).map((at) => at - shift);
  const choices = [after('mark', 0), after('flush', 1), anywhere];
  const cuts = Array.from({ length: count }, (_, n) => {
    const some = choices[n % choices.length] ?? anywhere;
    return random.pick(some.length === 0 ? anywhere : some);
  });
  return cuts.sort((a, b) => a - b);
}
