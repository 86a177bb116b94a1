/**
 * One round of scrubbing a set, from wherever it was left: the index against itself, the base's
 * names against the newest point, then everything stored of files against its digests. What seems
 * wrong is looked at again, and repaired, under the set's lock.
 */
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { Clock } from '../../shared/clock.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { Log } from '../../shared/log.js';
import { toPathText } from '../../shared/path-text.js';
import type { Posix } from '../../shared/posix/posix.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { certifyRound } from '../certify/certify-round.js';
import { BodyFiles } from '../history/body-files.js';
import { Patience } from '../history/patience.js';
import type { SetStore } from '../history/set-store.js';
import type { IndexDb } from '../index/index-db.js';
import { type EntryRow, joinPath, newestPoint } from '../index/nodes.js';
import { LIVE } from '../index/schema.js';
import { BodyPlaces } from './body-place.js';
import { type BlockVersion, bodyRow } from './block-versions.js';
import { pathOfNode } from './check-rows.js';
import type { TwinSource } from './find-twin.js';
import { HistoryHints } from './history-hints.js';
import type { IndexTwin } from './index-twin.js';
import { repairBlock, type RepairDeps } from './repair-block.js';
import { scanContent } from './scan-content.js';
import type { DamageRow, FindingRow, ScrubCursor, ScrubDb } from './scrub-db.js';
import { ROW_BYTES, ROWS_A_STEP, scrubIndex } from './scrub-index.js';

export interface ScrubRoundDeps {
  readonly store: SetStore;
  /** Of scrubbing alone. */
  readonly core: HashCore;
  readonly posix: Posix;
  readonly clock: Clock;
  readonly log: Log;
  readonly db: ScrubDb;
  readonly twin: IndexTwin;
  /** Runs `body` under the set's lock; `busy` when a sync is past the point where that may be. */
  readonly exclusively: <T>(body: () => Promise<T>) => Promise<T | 'busy'>;
  /** Other sets of the same agent (R21). */
  readonly siblings: () => readonly SetStore[];
  /** Takes the right to have read `bytes`; resolves when the next may be read. Throws `cancelled`. */
  readonly take: (bytes: number) => Promise<void>;
  /** Resolves a moment later. */
  readonly rest: () => Promise<void>;
  /** What a round does next is on disk. Called now and then. */
  readonly onProgress?: () => void;
  readonly signal: AbortSignal;
}

/** Progress is stored at least this often. */
const STORED_BYTES = 16 * 1024 * 1024;
const STORED_MS = 2000;
/** Bodies that are passed over in one round because the index cannot be read where they are. */
const BREAKS_MAX = 1000;

export class ScrubRound {
  readonly #deps: ScrubRoundDeps;
  /** Everything before it is done. */
  #cursor: ScrubCursor = { stage: 'index', at: 0, block: 0 };
  #hints: HistoryHints | undefined;
  #unstoredBytes = 0;
  #storedMs = -Infinity;

  constructor(deps: ScrubRoundDeps) {
    this.#deps = deps;
  }

  /** To the end of the round. @throws AfterimageError `cancelled`; the round goes on next time */
  async run(): Promise<void> {
    const { db, clock } = this.#deps;
    if (db.current === undefined) db.begin(clock.now());
    this.#cursor = db.current?.cursor ?? this.#cursor;
    try {
      if (this.#cursor.stage === 'index') {
        await this.#index();
        this.#cursor = { stage: 'tree', at: 0, block: 0 };
      }
      if (this.#cursor.stage === 'tree') {
        await this.#unlessBroken(() => this.#tree(this.#cursor.at));
        this.#cursor = { stage: 'content', at: 0, block: 0 };
      }
      for (let breaks = 0; breaks < BREAKS_MAX; breaks += 1) {
        if (await this.#unlessBroken(() => this.#content())) break;
        // Rows of this body cannot be read: those of others may.
        this.#cursor = { stage: 'content', at: this.#cursor.at + 1, block: 0 };
      }
    } finally {
      this.#store();
      this.#hints?.close();
      this.#hints = undefined;
    }
    db.end(clock.now());
    certifyRound(this.#deps.store, db);
  }

  async #index(): Promise<void> {
    this.#deps.db.clearFindings();
    await scrubIndex({
      ...this.#deps,
      exclusively: (work) => this.#exclusively(work),
      took: (bytes) => this.#took(bytes),
      find: (finding) => {
        this.#find(finding);
      },
      unlessBroken: (look) => this.#unlessBroken(look),
    });
  }

  /** False when the index is so wrong that looking at it fails; that is a finding. */
  async #unlessBroken(look: () => Promise<void>): Promise<boolean> {
    try {
      await look();
      return true;
    } catch (cause) {
      const error = asAfterimageError(cause);
      if (isOurTrouble(error) || this.#deps.signal.aborted) throw error;
      const { message } = error;
      this.#find({ kind: 'index', point: null, path: null, message });
      return false;
    }
  }

  // ——— the base's names ———

  async #tree(fromFolder: number): Promise<void> {
    let after: readonly [number, Buffer] = [fromFolder, Buffer.alloc(0)];
    for (;;) {
      const entries = this.#entriesAfter(after);
      for (const entry of this.#wrongNames(entries)) await this.#repairName(entry);
      const last = entries.at(-1);
      if (last === undefined) return;
      after = [last.parent, last.name];
      this.#storeSoon({ stage: 'tree', at: last.parent, block: 0 });
      await this.#took(entries.length * ROW_BYTES);
    }
  }

  #entriesAfter([parent, name]: readonly [number, Buffer]): EntryRow[] {
    return this.#deps.store.index.all<EntryRow>(
      `SELECT parent, name, born, died, node FROM entry
       WHERE (parent, name) > (?, ?) AND died = ${LIVE} ORDER BY parent, name LIMIT ${ROWS_A_STEP}`,
      parent,
      name,
    );
  }

  #wrongNames(entries: readonly EntryRow[]): EntryRow[] {
    const places = this.#places(this.#deps.store.index);
    try {
      return entries.filter((entry) => !places.isRight(entry));
    } finally {
      places.close();
    }
  }

  async #repairName(entry: EntryRow): Promise<void> {
    const { store, log } = this.#deps;
    await this.#exclusively(() => {
      const places = this.#places(store.writer);
      try {
        if (!isLive(store.writer, entry) || places.isRight(entry)) return;
        const point = newestPoint(store.writer);
        const folder = pathOfNode(store.writer, entry.parent, point);
        const at = toPathText(
          folder === undefined || folder.length === 0 ? entry.name : joinPath([folder, entry.name]),
        );
        places.ensure(entry);
        store.source.bodies.forgetAll();
        const message = 'something else, or nothing, had its name in the base; it was put right';
        log.warn(message, { set: store.set, path: at });
        this.#find({ kind: 'tree', point, path: at, message });
      } finally {
        places.close();
      }
    });
  }

  #places(index: IndexDb): BodyPlaces {
    const { store, posix, core } = this.#deps;
    return new BodyPlaces({ setFolder: store.folder, index, posix, core });
  }

  // ——— content ———

  async #content(): Promise<void> {
    const { store, core, posix } = this.#deps;
    const scan = scanContent(
      {
        index: store.index,
        packs: store.packs,
        core,
        posix,
        setFolder: store.folder,
        slice: new TimeSlice(),
        patience: new Patience(),
      },
      { body: this.#cursor.at, block: this.#cursor.block },
    );
    for await (const { body, block, bytes, suspects } of scan) {
      if (suspects.length > 0) await this.#fillHints();
      for (const suspect of suspects) await this.recheck({ body, block: suspect });
      this.#storeSoon({ stage: 'content', at: body, block });
      await this.#took(bytes);
    }
  }

  /** Looks at a block anew under the lock, repairs it, and notes what is left. */
  async recheck(at: { readonly body: number; readonly block: number }): Promise<void> {
    await this.#exclusively(async () => {
      const repair = await this.#withRepair((deps) => repairBlock(deps, at));
      this.#settle(at, repair);
    });
  }

  /** Once in a round that finds damage; what is cut meanwhile is not looked for. */
  async #fillHints(): Promise<void> {
    const { store, siblings } = this.#deps;
    this.#hints ??= new HistoryHints();
    const slice = new TimeSlice();
    for (const { set, index } of [store, ...siblings()]) {
      await this.#hints.fill({ name: set, index }, slice);
      throwIfStopped(this.#deps.signal);
    }
  }

  async #withRepair<T>(work: (deps: RepairDeps) => Promise<T>): Promise<T> {
    const { store, core } = this.#deps;
    const opened: BodyFiles[] = [];
    const patience = new Patience();
    const sourceOf = ({ set, folder, packs }: SetStore, index: IndexDb): TwinSource => {
      const bodies = new BodyFiles(folder, index);
      opened.push(bodies);
      return { name: set, index, bodies, packs, core, slice: new TimeSlice(), patience };
    };
    const places = this.#places(store.writer);
    try {
      return await work({
        twins: {
          own: sourceOf(store, store.writer),
          siblings: this.#deps.siblings().map((sibling) => sourceOf(sibling, sibling.index)),
          hints: this.#hints,
        },
        packs: store.packs,
        places,
      });
    } finally {
      places.close();
      for (const bodies of opened) bodies.close();
    }
  }

  #settle(
    at: { readonly body: number; readonly block: number },
    { found, left }: { found: readonly BlockVersion[]; left: readonly BlockVersion[] },
  ): void {
    const { db, clock, log, store } = this.#deps;
    const known = new Map(db.damageOf(at).map((row) => [row.hi, row]));
    const fresh = found.filter(({ hi }) => !known.has(hi)).length;
    const gone = [...known.keys()].filter(
      (hi) => !found.some((version) => version.hi === hi),
    ).length;
    const repaired = found.length - left.length + gone;
    const rows = left.map((version): DamageRow => {
      const before = known.get(version.hi);
      const { body, block, hi, from, to, digest } = version;
      const foundMs = before?.foundMs ?? clock.now();
      return { body, block, hi, from, to, digest, foundMs, askedMs: before?.askedMs ?? null };
    });
    db.settle(at, { left: rows, found: fresh, repaired });
    if (repaired > 0) store.source.bodies.forget(at.body);
    if (fresh === 0 && repaired === 0) return;
    const facts = { set: store.set, ...this.#name(at), found: fresh, repaired, left: left.length };
    log.warn('stored bytes were not as their digests say', facts);
  }

  #name({ body, block }: { body: number; block: number }): { path: string | null; block: number } {
    const { writer } = this.#deps.store;
    const row = bodyRow(writer, body);
    const point = row === undefined ? 0 : Math.min(row.died - 1, newestPoint(writer));
    const found = row === undefined ? undefined : pathOfNode(writer, row.node, point);
    return { path: found === undefined ? null : toPathText(found), block };
  }

  // ——— progress ———

  async #exclusively(work: () => void | Promise<void>): Promise<void> {
    const { exclusively, signal, rest } = this.#deps;
    for (;;) {
      throwIfStopped(signal);
      const done = await exclusively(async () => {
        await work();
        return 'done' as const;
      });
      if (done === 'done') return;
      await rest();
    }
  }

  #find(finding: FindingRow): void {
    const { db, log, store } = this.#deps;
    db.addFinding(finding);
    if (finding.kind !== 'tree') {
      log.error('the index contradicts itself', finding.message, { set: store.set });
    }
  }

  async #took(bytes: number): Promise<void> {
    this.#unstoredBytes += bytes;
    await this.#deps.take(bytes);
    throwIfStopped(this.#deps.signal);
  }

  #storeSoon(cursor: ScrubCursor): void {
    this.#cursor = cursor;
    const nowMs = this.#deps.clock.monotonic();
    if (this.#unstoredBytes < STORED_BYTES && nowMs - this.#storedMs < STORED_MS) return;
    this.#storedMs = nowMs;
    this.#store();
    this.#deps.onProgress?.();
  }

  #store(): void {
    this.#deps.db.advance(this.#cursor, this.#unstoredBytes);
    this.#unstoredBytes = 0;
  }
}

function isLive(index: IndexDb, { parent, name, node }: EntryRow): boolean {
  const row = index.get<{ node: number }>(
    `SELECT node FROM entry WHERE parent = ? AND name = ? AND died = ${LIVE}`,
    parent,
    name,
  );
  return row?.node === node;
}

/** Trouble that is not of what is stored. */
function isOurTrouble({ code }: AfterimageError): boolean {
  return code === 'cancelled' || code === 'storage-full' || code === 'storage-failed';
}

function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new AfterimageError('cancelled', 'the scrub was stopped');
}
