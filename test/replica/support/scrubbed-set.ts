/** Scrubs a set in a test: rounds to their end, damage as found on disk, and bits to flip. */
import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../../shared/clock.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { SetStore } from '../../../replica/history/set-store.js';
import { IndexTwin } from '../../../replica/verify/index-twin.js';
import { type DamageRow, type FindingRow, ScrubDb } from '../../../replica/verify/scrub-db.js';
import { ScrubRound, type ScrubRoundDeps } from '../../../replica/verify/scrub-round.js';
import { betweenSyncs } from '../../../replica/verify/scrub-set.js';
import type { OpenSet } from '../../model/open-set.js';
import type { Seeded } from '../../support/seeded.js';

const core = createHashCore();

export interface ScrubOutcome {
  readonly found: number;
  readonly repaired: number;
  readonly damage: readonly DamageRow[];
  readonly findings: readonly FindingRow[];
  readonly bytes: number;
}

type ScrubOptions = Partial<
  Pick<ScrubRoundDeps, 'siblings' | 'take' | 'signal' | 'exclusively' | 'onProgress'>
>;

/** One round, or the rest of one, to its end. */
export async function scrubOnce(
  { store, writer }: OpenSet,
  options: ScrubOptions = {},
): Promise<ScrubOutcome> {
  const db = new ScrubDb(store.folder);
  const twin = new IndexTwin(store.folder, core);
  try {
    await new ScrubRound({
      store,
      core,
      posix: loadPosix(),
      clock: systemClock,
      log: silentLog,
      db,
      twin,
      exclusively: (work) => betweenSyncs(writer, work),
      siblings: (): readonly SetStore[] => [],
      take: () => Promise.resolve(),
      rest: () => Promise.resolve(),
      signal: new AbortController().signal,
      ...options,
    }).run();
    const { last } = db;
    return {
      found: last?.found ?? 0,
      repaired: last?.repaired ?? 0,
      damage: db.damage(100_000),
      findings: db.findings(),
      bytes: last?.bytes ?? 0,
    };
  } finally {
    twin.close();
    db.close();
  }
}

/** Changes one bit of a file, and nothing that the file system says of it: as rot does. */
export function flipBit(
  file: string | Buffer,
  at: { readonly byte: number; readonly bit?: number },
): void {
  const posix = loadPosix();
  const { mtimeNs } = posix.lstat(Buffer.from(file));
  const fd = fs.openSync(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    fs.readSync(fd, byte, 0, 1, at.byte);
    byte[0] = (byte[0] ?? 0) ^ (1 << (at.bit ?? 0));
    fs.writeSync(fd, byte, 0, 1, at.byte);
  } finally {
    fs.closeSync(fd);
  }
  posix.setMtime(Buffer.from(file), mtimeNs);
}

/** Changes a random bit of a file that has any bytes; where, as text. */
export function flipRandomBit(file: Buffer, random: Seeded): string {
  const { size } = fs.statSync(file);
  const byte = random.below(size);
  const bit = random.below(8);
  flipBit(file, { byte, bit });
  return `bit ${bit} of byte ${byte} of ${path.basename(file.toString('latin1'))}`;
}

/** Plain files with content below a folder; names are bytes. */
export function filesBelow(folder: string | Buffer): Buffer[] {
  return fs
    .readdirSync(folder, { withFileTypes: true, encoding: 'buffer' })
    .flatMap((entry) => {
      const at = Buffer.concat([Buffer.from(folder), Buffer.from('/'), entry.name]);
      if (entry.isDirectory()) return filesBelow(at);
      return entry.isFile() && fs.statSync(at).size > 0 ? [at] : [];
    })
    .sort((a, b) => a.compare(b));
}
