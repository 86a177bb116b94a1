/**
 * A second copy of a set's index, page by page with a digest each, in `index-twin.db`: rows of the
 * index are not named by digests as blocks are, so without it a bit that flips in a name or a size
 * could be found by the point's digest alone, and not be repaired.
 *
 * Pages come to the twin out of SQLite's log, where they are as they were written, before the log is
 * given up; SQLite itself moves them to the index. So the two are written apart and are equal
 * whenever the log was settled. The index's file is only ever written to by that (no automatic
 * checkpoint), and by repairs here: when its time says that somebody else did, the twin is made anew.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import { readFully } from '../history/read-block.js';
import { writeFully } from '../history/packs.js';
import type { IndexDb } from '../index/index-db.js';
import { type ExpendableFile, isForeign, openAnew, removeDatabase } from './open-anew.js';

/** In the set's folder. */
export const TWIN_FILE = 'index-twin.db';
const SUM_BYTES = 16;
const LOG_HEAD_BYTES = 32;
const FRAME_HEAD_BYTES = 24;
/** Pages compared in one step. */
const STEP_PAGES = 64;
const TWIN_PAGE_BYTES = 65_536;
const TWIN_VERSION = 1;
/** A twin is made anew when there is room for it and for its own log, and some for others. */
const ROOM_FACTOR = 3;

const schema = `
CREATE TABLE IF NOT EXISTS page (number INTEGER PRIMARY KEY, sum BLOB NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
`;

const twinFile: ExpendableFile = { schema, version: TWIN_VERSION, pageBytes: TWIN_PAGE_BYTES };

interface TwinPage {
  readonly number: number;
  readonly sum: Buffer;
  readonly bytes: Buffer;
}

/** What became of a page that was looked at. */
export type PageLook = 'sound' | 'repaired' | 'lost';

export class IndexTwin {
  readonly #file: string;
  readonly #twinFile: string;
  readonly #core: HashCore;
  #db: IndexDb;
  /** Held open: closing any descriptor of the file would drop SQLite's locks on it. */
  readonly #fd: number;

  /** The index must be there. */
  constructor(setFolder: string, core: HashCore) {
    this.#file = path.join(setFolder, 'index.db');
    this.#core = core;
    this.#fd = fs.openSync(this.#file, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW);
    this.#twinFile = path.join(setFolder, TWIN_FILE);
    this.#db = openAnew(this.#twinFile, twinFile);
  }

  /** Whether the twin is of the index as its file is: nobody else wrote to it. */
  get isCurrent(): boolean {
    return this.#meta('state') === this.#state();
  }

  /**
   * Takes over what the log has, and empties it. Under the set's lock, outside transactions. A
   * twin that is not current, or cannot be read, is made anew.
   */
  async settle(writer: IndexDb, slice: TimeSlice): Promise<void> {
    writer.db.pragma('wal_autocheckpoint = 0');
    try {
      await this.#settle(writer, slice);
    } catch (error) {
      if (!this.renewIfBroken(error)) throw error;
      await this.#settle(writer, slice);
    }
  }

  /** Begins the twin anew when `error` came of its own file being broken; false when it did not. */
  renewIfBroken(error: unknown): boolean {
    if (!isForeign(error) || !isBroken(this.#db)) return false;
    this.#db.close();
    removeDatabase(this.#twinFile);
    this.#db = openAnew(this.#twinFile, twinFile);
    return true;
  }

  /** Bytes of the log that are to be settled. */
  get logBytes(): number {
    return fs.statSync(`${this.#file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Pages that are not as they were written, in the index or in the twin; a few at a time. */
  *suspects(): Generator<{ readonly bytes: number; readonly pages: readonly number[] }> {
    if (!this.isCurrent) return;
    for (let first = 1; ; first += STEP_PAGES) {
      const rows = this.#db.all<TwinPage>(
        'SELECT number, sum, bytes FROM page WHERE number >= ? AND number < ? ORDER BY number',
        first,
        first + STEP_PAGES,
      );
      if (rows.length === 0) return;
      const pages = rows.filter((row) => this.#look(row).length < 2).map(({ number }) => number);
      yield { bytes: rows.reduce((sum, { bytes }) => sum + 2 * bytes.length, 0), pages };
    }
  }

  /**
   * Puts a page right in the index or in the twin, whichever is wrong. Under the set's lock. `drop`
   * lets SQLite forget what it has read of the index.
   */
  repair(number: number, drop: () => void): PageLook {
    const row = this.#db.get<TwinPage>(
      'SELECT number, sum, bytes FROM page WHERE number = ?',
      number,
    );
    if (row === undefined || !this.isCurrent) return 'sound';
    const sound = this.#look(row);
    if (sound.length === 2) return 'sound';
    const [bytes] = sound;
    if (bytes === undefined) return 'lost';
    if (bytes === row.bytes) {
      writeFully(this.#fd, bytes, (number - 1) * bytes.length);
      fs.fdatasyncSync(this.#fd);
      drop();
      this.#noteState();
    } else this.#put(number, bytes);
    return 'repaired';
  }

  close(): void {
    this.#db.close();
    fs.closeSync(this.#fd);
  }

  /** Those of the two copies that have the digest; two that are equal outvote a wrong digest. */
  #look({ number, sum, bytes }: TwinPage): Buffer[] {
    const stored = Buffer.alloc(bytes.length);
    readFully(this.#fd, stored, (number - 1) * bytes.length);
    if (stored.equals(bytes)) return [bytes, stored];
    return [bytes, stored].filter((copy) => this.#sum(copy).equals(sum));
  }

  async #settle(writer: IndexDb, slice: TimeSlice): Promise<void> {
    if (!this.isCurrent) {
      await this.#makeAnew(writer, slice);
      return;
    }
    if (this.logBytes === 0) return;
    // On disk before the index's file changes: a power cut may take the file's new time and not its
    // new pages, and older pages must never be taken for a twin of them.
    this.#db.durably(() => this.#db.run("DELETE FROM meta WHERE key = 'state'"));
    const { frames, moved } = checkpoint(writer, 'PASSIVE');
    // A reader may keep some in the log: the twin has what the index's file has, no more.
    const source = moved === frames ? 'log' : 'index';
    if (moved > 0) await this.#takeFrames({ frames, source }, slice);
    if (source === 'log') checkpoint(writer, 'TRUNCATE');
    this.#noteState();
  }

  /** Pages that the log has: as they are in it, or as the index's file has them. */
  async #takeFrames(
    { frames, source }: { readonly frames: number; readonly source: 'log' | 'index' },
    slice: TimeSlice,
  ): Promise<void> {
    const log = fs.openSync(`${this.#file}-wal`, fs.constants.O_RDONLY);
    try {
      const head = Buffer.alloc(LOG_HEAD_BYTES);
      readFully(log, head, 0);
      const frame = Buffer.alloc(FRAME_HEAD_BYTES + head.readUInt32BE(8));
      this.#db.db.exec('BEGIN');
      for (let at = 0; at < frames; at += 1) {
        readFully(log, frame, LOG_HEAD_BYTES + at * frame.length);
        const number = frame.readUInt32BE(0);
        const pages = frame.readUInt32BE(4);
        const page = frame.subarray(FRAME_HEAD_BYTES);
        if (source === 'log' || this.#isStored(number, page)) this.#put(number, page);
        if (source === 'log' && pages > 0) this.#db.run('DELETE FROM page WHERE number > ?', pages);
        await slice.breathe();
      }
      this.#db.db.exec('COMMIT');
    } finally {
      if (this.#db.db.inTransaction) this.#db.db.exec('ROLLBACK');
      fs.closeSync(log);
    }
  }

  /** Reads a page of the index's file; false when it does not go that far. */
  #isStored(number: number, page: Buffer): boolean {
    return readFully(this.#fd, page, (number - 1) * page.length) === page.length;
  }

  async #makeAnew(writer: IndexDb, slice: TimeSlice): Promise<void> {
    checkpoint(writer, 'TRUNCATE');
    // What readers kept from the index is still in the log: another time.
    if (this.logBytes > 0 || !this.#hasRoom()) return;
    const pageBytes = writer.db.pragma('page_size', { simple: true }) as number;
    const page = Buffer.alloc(pageBytes);
    this.#db.db.exec('BEGIN');
    try {
      this.#db.run('DELETE FROM page');
      for (let number = 1; ; number += 1) {
        if (!this.#isStored(number, page)) break;
        this.#put(number, page);
        await slice.breathe();
      }
      this.#noteState();
      this.#db.db.exec('COMMIT');
    } finally {
      if (this.#db.db.inTransaction) this.#db.db.exec('ROLLBACK');
      // Its log has grown to the twin's size, and would keep the room.
      checkpoint(this.#db, 'TRUNCATE');
    }
  }

  /** A second copy of the index must not be what fills the disk. */
  #hasRoom(): boolean {
    const { bavail, bsize } = fs.statfsSync(path.dirname(this.#file));
    return bavail * bsize >= ROOM_FACTOR * fs.fstatSync(this.#fd).size;
  }

  #put(number: number, bytes: Uint8Array): void {
    const sql = 'INSERT OR REPLACE INTO page (number, sum, bytes) VALUES (?, ?, ?)';
    this.#db.run(sql, number, this.#sum(bytes), bytes);
  }

  #sum(bytes: Uint8Array): Buffer {
    return this.#core.digest(bytes).subarray(0, SUM_BYTES);
  }

  /** What rot does not change and a write does. */
  #state(): string {
    const { mtimeNs, size } = fs.fstatSync(this.#fd, { bigint: true });
    return `${mtimeNs} ${size}`;
  }

  #noteState(): void {
    this.#db.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('state', ?)", this.#state());
  }

  #meta(key: string): unknown {
    return this.#db.get<{ value: unknown }>('SELECT value FROM meta WHERE key = ?', key)?.value;
  }
}

/**
 * Frames that the log has, and those of them, from its beginning, that the database's file has too.
 * Waits for nobody: a reader of this thread would never come to its end.
 */
function checkpoint(
  { db }: IndexDb,
  how: 'PASSIVE' | 'TRUNCATE',
): { readonly frames: number; readonly moved: number } {
  const waitMs = db.pragma('busy_timeout', { simple: true }) as number;
  db.pragma('busy_timeout = 0');
  const [row] = db.pragma(`wal_checkpoint(${how})`) as { log: number; checkpointed: number }[];
  db.pragma(`busy_timeout = ${waitMs}`);
  return { frames: row?.log ?? 0, moved: row?.checkpointed ?? 0 };
}

/** Asked of the twin itself, because the index may be what is broken. */
function isBroken({ db }: IndexDb): boolean {
  try {
    return db.pragma('quick_check(1)', { simple: true }) !== 'ok';
  } catch (error) {
    return isForeign(error);
  }
}

/**
 * Repairs an index that does not open, before anybody opens it. Returns how many pages were wrong
 * and are right now; 0 too when there is no twin of it.
 */
export function repairClosedIndex(setFolder: string, core: HashCore): number {
  for (const name of ['index.db', TWIN_FILE]) {
    if (!fs.existsSync(path.join(setFolder, name))) return 0;
  }
  const twin = new IndexTwin(setFolder, core);
  let repaired = 0;
  try {
    for (const { pages } of twin.suspects()) {
      for (const page of pages) {
        if (twin.repair(page, () => undefined) === 'repaired') repaired += 1;
      }
    }
  } finally {
    twin.close();
  }
  return repaired;
}
