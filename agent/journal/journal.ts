/**
 * The agent's durable record of which paths of a set may have changed since the newest point, and
 * of its own gaps: stretches of the tree and of time in which changes may have been missed
 * (promise 4). It is coalesced by path and ordered by sequence; it survives a restart; it never
 * grows past its bound, because a subtree that changes too much becomes a gap.
 *
 * A gap is closed only by a sync that scanned everything after the gap was opened.
 */
import Database from 'better-sqlite3';
import { AfterimageError } from '../../shared/errors.js';
import type { Clock } from '../../shared/clock.js';
import { chooseCollapse } from './collapse.js';
import { JOURNAL_VERSION, journalSchema, journalUpgrade } from './schema.js';
import { looks, type Look, type Target } from './target.js';

export type GapReason =
  /** The agent was not running, or its capture was not. */
  | 'downtime'
  /** The watcher lost events or ran into a limit of the system. */
  | 'watcher'
  /** So much changed below a folder that single paths were given up. */
  | 'overflow'
  /** A root was not there, or was another file system. */
  | 'root-missing'
  /** Several paths are named in one event that cannot be told apart. */
  | 'unclear';

export interface Gap {
  readonly sequence: number;
  readonly openedMs: number;
  readonly reason: GapReason;
  /** `<root>/<path>`; empty for the whole set. */
  readonly covers: Buffer;
}

type OpenedGap = Omit<Gap, 'sequence'>;

export interface Continuity {
  readonly openGaps: number;
  /** Since the last gap was closed, 0 while one is open; undefined when there never was one. */
  readonly secondsSinceGap: number | undefined;
}

export interface JournalOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Paths held at most; past it the fullest subtrees become gaps. */
  readonly pathsMax?: number;
}

const PATHS_MAX = 100_000;

export class Journal {
  readonly #db: Database.Database;
  readonly #clock: Clock;
  readonly #pathsMax: number;
  readonly #sql: ReturnType<typeof prepare>;
  #sequence: number;
  #paths: number;
  #openGaps: number;
  /** Recorded, and not yet written: kept until a transaction has them. */
  readonly #waiting = new Map<string, Target>();
  readonly #waitingGaps = new Map<string, OpenedGap>();

  /** Opens or makes it; the time since it was last open is a gap. */
  constructor(options: JournalOptions) {
    this.#clock = options.clock;
    this.#pathsMax = options.pathsMax ?? PATHS_MAX;
    this.#db = openFile(options.path);
    this.#sql = prepare(this.#db);
    this.#sequence = this.#sql.getMeta.get('sequence') ?? 0;
    this.#paths = this.#sql.countPaths.get() ?? 0;
    this.#openGaps = this.#sql.countGaps.get() ?? 0;
    this.openGap({ reason: 'downtime', covers: Buffer.alloc(0) });
  }

  /** Newest sequence that a committed point covers. */
  get committed(): number {
    return this.#sql.getMeta.get('committed') ?? 0;
  }

  /** Paths recorded and not yet covered by a point. */
  get paths(): number {
    return this.#paths + this.#waiting.size;
  }

  /** A path that may have changed, `<root>/<path>`. Durable with the next `flush`. */
  record(path: Buffer, look: Look = 'entry'): void {
    const key = path.toString('latin1');
    const known = this.#waiting.get(key)?.look ?? look;
    this.#waiting.set(key, { path, look: widerLook(known, look) });
  }

  /**
   * Writes what was recorded, in one transaction. What cannot be written is kept, and within the
   * bound: it goes with the next one.
   */
  flush(): void {
    if (this.#waiting.size === 0 && this.#waitingGaps.size === 0) return;
    const before = { sequence: this.#sequence, paths: this.#paths };
    try {
      this.#db.transaction(() => {
        for (const gap of this.#waitingGaps.values()) this.#writeGap(gap);
        for (const target of this.#waiting.values()) this.#writePath(target);
        this.#saveSequence();
      })();
    } catch (error) {
      this.#sequence = before.sequence;
      this.#paths = before.paths;
      this.#boundWaiting();
      throw error;
    }
    this.#waiting.clear();
    this.#waitingGaps.clear();
    this.#openGaps = this.#sql.countGaps.get() ?? 0;
    if (this.#paths > this.#pathsMax) this.#collapse();
  }

  /**
   * Changes below `covers` may have been missed. An open gap that covers it serves. One that cannot
   * be written is not forgotten: it stays open here and is written with the next `flush`.
   */
  openGap(gap: { readonly reason: GapReason; readonly covers: Buffer }): void {
    this.#keepGap(gap);
    this.flush();
  }

  /** Open gaps, oldest first. */
  gaps(): Gap[] {
    const written = this.#sql.gaps.all();
    const known = new Set(written.map(keyOf));
    const waiting = [...this.#waitingGaps.values()].filter((gap) => !known.has(keyOf(gap)));
    return [...written, ...waiting.map((gap) => ({ ...gap, sequence: this.#sequence + 1 }))];
  }

  /** Changes may have been missed anywhere in the set. */
  get hasWholeGap(): boolean {
    if (this.#openGaps === 0 && this.#waitingGaps.size === 0) return false;
    return this.gaps().some(({ covers }) => covers.length === 0);
  }

  /** The newest sequence: what is recorded up to it, a scan that starts now covers. */
  mark(): number {
    this.flush();
    return this.#sequence;
  }

  /** A scan that started at this mark is in a committed point, or found nothing. */
  reconciled(mark: number): void {
    this.#db.transaction(() => {
      this.#sql.dropChanges.run(mark);
      const { changes } = this.#sql.closeGaps.run(mark);
      if (changes > 0) this.#sql.setMeta.run('gapMs', Math.round(this.#clock.now()));
      this.#sql.setMeta.run('committed', mark);
    })();
    this.#paths = this.#sql.countPaths.get() ?? 0;
    this.#openGaps = this.#sql.countGaps.get() ?? 0;
  }

  /** Milliseconds without a gap; 0 while one is open. */
  get continuityMs(): number {
    return Math.round((this.continuity().secondsSinceGap ?? 0) * 1000);
  }

  continuity(): Continuity {
    const gapMs = this.#sql.getMeta.get('gapMs');
    const openGaps = this.#openGaps + this.#waitingGaps.size;
    const secondsSinceGap =
      gapMs === undefined ? undefined : Math.max(0, (this.#clock.now() - gapMs) / 1000);
    return { openGaps, secondsSinceGap: openGaps > 0 ? 0 : secondsSinceGap };
  }

  /** Paths recorded after a sequence, in the order of their last change. */
  since(sequence: number, limit: number): Buffer[] {
    return this.#sql.since.all(sequence, limit);
  }

  /**
   * What must be looked at, recorded or left by gaps after a sequence, in the order of the paths'
   * bytes: what lies below one folder stands together. Undefined when it is more than `max`, or when
   * a gap covers the whole set: then everything must be.
   */
  targets(after: number, max: number): Target[] | undefined {
    this.flush();
    const gaps = this.gaps().filter(({ sequence }) => sequence > after);
    if (gaps.some(({ covers }) => covers.length === 0)) return undefined;
    const rows = this.#sql.targets.all(after, max + 1);
    if (rows.length + gaps.length > max) return undefined;
    const targets = rows.map(({ path, look }): Target => ({ path, look: looks[look] ?? 'deep' }));
    for (const { covers } of gaps) targets.push({ path: covers, look: 'deep' });
    return gaps.length === 0 ? targets : targets.sort((a, b) => a.path.compare(b.path));
  }

  close(): void {
    try {
      this.flush();
    } finally {
      this.#db.close();
    }
  }

  #keepGap({ reason, covers }: { readonly reason: GapReason; readonly covers: Buffer }): void {
    const gap = { openedMs: Math.round(this.#clock.now()), reason, covers };
    const key = keyOf(gap);
    if (!this.#waitingGaps.has(key)) this.#waitingGaps.set(key, gap);
  }

  /** A gap that was open already is the same one: it stays open until a scan that starts now. */
  #writeGap({ openedMs, reason, covers }: OpenedGap): void {
    this.#sequence += 1;
    const sinceMs = this.#sql.gapOpenedMs.get(reason, covers) ?? openedMs;
    this.#sql.dropGap.run(reason, covers);
    this.#sql.openGap.run(this.#sequence, sinceMs, reason, covers);
    this.#sql.setMeta.run('gapMs', openedMs);
  }

  #writePath({ path, look }: Target): void {
    this.#sequence += 1;
    if (this.#joinGap(path)) return;
    const width = looks.indexOf(look);
    const { changes } = this.#sql.bump.run(this.#sequence, width, path);
    if (changes > 0) return;
    this.#sql.add.run(path, this.#sequence, width);
    this.#paths += 1;
  }

  /** A journal that cannot be written for long must not grow in memory instead. */
  #boundWaiting(): void {
    if (this.#waiting.size <= this.#pathsMax) return;
    const paths = [...this.#waiting.values()].map(({ path }) => path);
    for (const covers of chooseCollapse(paths, this.#pathsMax / 2)) {
      this.#keepGap({ reason: 'overflow', covers });
      for (const [key, { path }] of this.#waiting) {
        if (isBelow(path, covers)) this.#waiting.delete(key);
      }
    }
  }

  #saveSequence(): void {
    this.#sql.setMeta.run('sequence', this.#sequence);
  }

  /**
   * An open gap of a subtree makes single paths in it needless; it then stays open until a scan
   * that starts after this change.
   */
  #joinGap(path: Buffer): boolean {
    if (this.#openGaps === 0 && this.#waitingGaps.size === 0) return false;
    for (const covers of this.#sql.overflows.all()) {
      if (!isBelow(path, covers)) continue;
      this.#sql.bumpGap.run(this.#sequence, covers);
      return true;
    }
    return false;
  }

  #collapse(): void {
    const folders = chooseCollapse(this.#sql.allPaths.iterate(), this.#pathsMax / 2);
    for (const covers of folders) {
      this.#db.transaction(() => {
        if (covers.length === 0) this.#db.exec('DELETE FROM change');
        else this.#sql.dropBelow.run(covers, below(covers), pastBelow(covers));
        this.#writeGap({ openedMs: Math.round(this.#clock.now()), reason: 'overflow', covers });
        this.#saveSequence();
      })();
    }
    this.#paths = this.#sql.countPaths.get() ?? 0;
    this.#openGaps = this.#sql.countGaps.get() ?? 0;
  }
}

function widerLook(a: Look, b: Look): Look {
  return looks.indexOf(a) > looks.indexOf(b) ? a : b;
}

function keyOf({ reason, covers }: Pick<Gap, 'reason' | 'covers'>): string {
  return `${reason} ${covers.toString('latin1')}`;
}

/** True when `path` is `folder` or lies in it; every path lies in the empty one. */
function isBelow(path: Buffer, folder: Buffer): boolean {
  if (folder.length === 0) return true;
  if (path.length < folder.length || !path.subarray(0, folder.length).equals(folder)) return false;
  return path.length === folder.length || path[folder.length] === 0x2f;
}

function below(folder: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from('/')]);
}

/** The first byte string after everything below a folder: `/` is followed by `0`. */
function pastBelow(folder: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from('0')]);
}

function openFile(path: string): Database.Database {
  try {
    const db = new Database(path);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    const version = db.pragma('user_version', { simple: true });
    if (version === 0) {
      db.exec(journalSchema);
      db.pragma(`user_version = ${JOURNAL_VERSION}`);
    } else if (version === 1) {
      db.transaction(() => {
        db.exec(journalUpgrade);
        db.pragma(`user_version = ${JOURNAL_VERSION}`);
      })();
    } else if (version !== JOURNAL_VERSION) {
      db.close();
      throw new AfterimageError('database-version', `${path} has version ${String(version)}`, {
        facts: { path, expected: JOURNAL_VERSION },
      });
    }
    return db;
  } catch (error) {
    if (error instanceof AfterimageError) throw error;
    throw new AfterimageError('storage-failed', `cannot open ${path}`, {
      cause: error,
      facts: { path },
    });
  }
}

function prepare(db: Database.Database) {
  return {
    getMeta: db.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck(),
    setMeta: db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)'),
    countPaths: db.prepare<[], number>('SELECT count(*) FROM change').pluck(),
    countGaps: db.prepare<[], number>('SELECT count(*) FROM gap').pluck(),
    bump: db.prepare('UPDATE change SET sequence = ?, look = max(look, ?) WHERE path = ?'),
    add: db.prepare('INSERT INTO change VALUES (?, ?, ?)'),
    targets: db.prepare<[number, number], { path: Buffer; look: number }>(
      'SELECT path, look FROM change WHERE sequence > ? ORDER BY path LIMIT ?',
    ),
    allPaths: db.prepare<[], Buffer>('SELECT path FROM change').pluck(),
    since: db
      .prepare<[number, number], Buffer>(
        'SELECT path FROM change WHERE sequence > ? ORDER BY sequence LIMIT ?',
      )
      .pluck(),
    dropChanges: db.prepare('DELETE FROM change WHERE sequence <= ?'),
    dropBelow: db.prepare('DELETE FROM change WHERE path = ? OR (path > ? AND path < ?)'),
    gapOpenedMs: db
      .prepare<[string, Buffer], number>(
        'SELECT opened_ms FROM gap WHERE reason = ? AND covers = ?',
      )
      .pluck(),
    dropGap: db.prepare('DELETE FROM gap WHERE reason = ? AND covers = ?'),
    openGap: db.prepare('INSERT INTO gap VALUES (?, ?, ?, ?)'),
    bumpGap: db.prepare("UPDATE gap SET sequence = ? WHERE reason = 'overflow' AND covers = ?"),
    closeGaps: db.prepare('DELETE FROM gap WHERE sequence <= ?'),
    gaps: db.prepare<[], Gap>(
      'SELECT sequence, opened_ms AS openedMs, reason, covers FROM gap ORDER BY sequence',
    ),
    overflows: db.prepare<[], Buffer>("SELECT covers FROM gap WHERE reason = 'overflow'").pluck(),
  };
}
