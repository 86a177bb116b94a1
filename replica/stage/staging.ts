/**
 * The sync under way: takes records in order into the intent (design: order of one sync, step 1).
 * Everything it keeps is in files; memory holds one frame.
 */
import fs from 'node:fs';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { ByteWriter } from '../../shared/protocol/bytes.js';
import { copyReceived, ManifestDigest } from '../../shared/protocol/manifest.js';
import {
  type BeginRecord,
  decodeReceived,
  type EndRecord,
  type SyncRecord,
} from '../../shared/protocol/records.js';
import type { Posix } from '../../shared/posix/posix.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { BlockSource } from '../history/read-block.js';
import type { IndexDb } from '../index/index-db.js';
import { newestPoint } from '../index/nodes.js';
import type { Allowance } from '../space-guard.js';
import { flushFile } from './flush-file.js';
import { type IntentFolders, closeIntent, intentFile, openIntent } from './intent-db.js';
import type { IntentStore, KnownBlocks } from './known-blocks.js';
import { NewFiles } from './new-files.js';
import { outcomeOf } from './outcome-of.js';
import { PagesFile } from './pages-file.js';
import type { ParentState } from './parent-state.js';
import { refused, StagedContent } from './staged-content.js';
import { StagedNodes } from './staged-nodes.js';
import { StagedRows } from './staged-rows.js';

const FLUSH_ONE_BY_ONE_MAX = 16;
/** Rows of so many bytes of frames at most go with a replica that is killed (R12). */
const COMMIT_BYTES = 2 * 1024 * 1024;

export interface StagingDeps {
  readonly folders: IntentFolders;
  readonly core: HashCore;
  readonly posix: Posix;
  readonly source: BlockSource;
  readonly parent: ParentState;
  readonly known: () => KnownBlocks;
  /** Throws `quota-exceeded` or `storage-full` when the sync may not go on (R20). */
  readonly admit: () => Allowance | undefined;
}

/** What has come of a sync; nobody knows here how much it will be. */
export interface Received {
  readonly sync: number;
  /** Of records, as they were before they were compressed. */
  readonly bytes: number;
  /** Nodes that are new or differ. */
  readonly nodes: number;
}

export interface StagedSync {
  readonly boot: string;
  readonly sync: number;
  readonly sealed: boolean;
  /** All of it was received. */
  readonly ended: boolean;
  readonly durable: number;
}

interface SyncRow {
  readonly boot: string;
  readonly sync: number;
  readonly durable: number;
  readonly sealed: number;
  readonly received_bytes?: number;
}

interface Frame {
  readonly sequence: number;
  readonly body: Uint8Array;
}

export class Staging {
  readonly intent: IndexDb;
  readonly newFiles: NewFiles;
  readonly pages: PagesFile;
  readonly #deps: StagingDeps;
  readonly #content: StagedContent;
  readonly #manifest = new ManifestDigest();
  readonly #stripped = new ByteWriter(64 * 1024);
  readonly #slice = new TimeSlice();
  readonly #nodes: StagedNodes;
  readonly #rows: StagedRows;
  /** Asked for when a sync begins, and again by the process that it goes on in. */
  #allowance: { readonly given: Allowance | undefined } | undefined;
  #recordBytes = 0;
  #receivedBytes = 0;
  #receivedNodes = 0;
  #ended = false;
  /** Rows were written that are not handed to the file yet. */
  #uncommitted = false;
  #uncommittedBytes = 0;

  /** As stored; told without the file, which may be what fails. */
  #row: SyncRow;

  private constructor(deps: StagingDeps, { intent, row }: { intent: IndexDb; row: SyncRow }) {
    this.#deps = deps;
    this.#row = row;
    this.intent = intent;
    this.newFiles = new NewFiles(deps.folders.new, deps.posix);
    this.pages = new PagesFile(deps.folders.intent);
    this.#rows = new StagedRows(intent);
    this.#content = new StagedContent({
      intent,
      rows: this.#rows,
      core: deps.core,
      newFiles: this.newFiles,
      pages: this.pages,
      parent: deps.parent,
      known: deps.known(),
      slice: this.#slice,
    });
    const { index } = deps.source;
    this.#nodes = new StagedNodes({
      intent,
      rows: this.#rows,
      index,
      parentPoint: newestPoint(index),
    });
  }

  /** Starts a sync in empty folders. */
  static begin(
    deps: StagingDeps,
    start: {
      readonly boot: string;
      readonly record: BeginRecord;
      readonly allowance: Allowance | undefined;
    },
  ): Staging {
    const { sync, incarnation } = start.record;
    const row = { boot: start.boot, sync, durable: 0, sealed: 0 };
    const staging = new Staging(deps, { intent: openIntent(deps.folders.intent), row });
    staging.#allowance = { given: start.allowance };
    staging.intent.run(
      'INSERT INTO sync (one, boot, sync, incarnation, durable, sealed, received_bytes) VALUES (1, ?, ?, ?, 0, 0, 0)',
      start.boot,
      sync,
      incarnation,
    );
    return staging;
  }

  /** The sync that an earlier process left, or undefined. */
  static reopen(deps: StagingDeps): Staging | undefined {
    if (!fs.existsSync(intentFile(deps.folders.intent))) return undefined;
    const intent = openIntent(deps.folders.intent);
    const row = intent.get<SyncRow>('SELECT boot, sync, durable, sealed, received_bytes FROM sync');
    if (row === undefined) {
      intent.close();
      return undefined;
    }
    const staging = new Staging(deps, { intent, row });
    const built = intent.get<{ bytes: number }>(
      'SELECT coalesce(sum(bytes), 0) AS bytes FROM block WHERE offset < 0',
    );
    staging.newFiles.writtenBefore(built?.bytes ?? 0);
    if (row.sealed === 0) {
      intent.run('DELETE FROM manifest_record WHERE frame > ?', row.durable);
      intent.run('UPDATE sync SET outcome = NULL, ended_frame = 0 WHERE ended_frame > durable');
      // Rows can outlive their bytes in a power cut; the frames that brought both come again.
      intent.run('DELETE FROM block WHERE length > 0 AND offset + length > ?', staging.pages.end);
    }
    staging.#receivedBytes = row.received_bytes ?? 0;
    const nodes = intent.get<{ count: number }>('SELECT count(*) AS count FROM node');
    staging.#receivedNodes = nodes?.count ?? 0;
    staging.#ended = intent.get('SELECT 1 FROM sync WHERE ended_frame > 0') !== undefined;
    let begins = true;
    for (const { records } of intent.iterate<{ records: Buffer }>(
      'SELECT records FROM manifest_record ORDER BY frame',
    )) {
      staging.#manifest.addEncoded(records, { begins });
      staging.#recordBytes += records.length;
      begins = false;
    }
    return staging;
  }

  /** Throws `quota-exceeded` when what came, records too, and what was copied is more than it may store. */
  checkAllowance(): void {
    const storedBytes = this.newFiles.writtenBytes + this.pages.end + this.#recordBytes;
    this.#allowance?.given?.store(storedBytes);
  }

  /** Where its blocks are, for those who look for known ones. */
  get store(): IntentStore {
    const { folders } = this.#deps;
    return { intent: this.intent, newFolder: folders.new, intentFolder: folders.intent };
  }

  /** What is known of the sync, as stored. */
  status(): StagedSync {
    const { boot, sync, sealed, durable } = this.#row;
    return { boot, sync, sealed: sealed === 1, ended: this.#ended, durable };
  }

  /** Of this process and, once it was reopened, of those before. */
  get received(): Received {
    return { sync: this.#row.sync, bytes: this.#receivedBytes, nodes: this.#receivedNodes };
  }

  /** Whether this sync is the newest point already: a crash came between its cut and its clean-up. */
  isPoint(index: IndexDb): boolean {
    const sealed = this.intent.get<{ sync: number; manifest: Buffer | null }>(
      'SELECT sync, manifest FROM sync WHERE sealed = 1',
    );
    const newest = index.get<{ sync: number; manifest: Buffer }>(
      'SELECT sync, manifest FROM point ORDER BY point DESC LIMIT 1',
    );
    if (sealed?.manifest == null || newest === undefined) return false;
    return sealed.sync === newest.sync && sealed.manifest.equals(newest.manifest);
  }

  /** True once `end` was taken: the sync can be sealed. */
  get ended(): boolean {
    return this.#ended;
  }

  get manifestDigest(): Buffer {
    return this.#manifest.digest();
  }

  /**
   * Takes one frame's records. Throws what the agent is told; the sync is then to be dropped. After
   * an error of storage the same frame may be given again.
   */
  async take(frame: Frame): Promise<void> {
    if (this.#ended) throw refused('a record after the end of its sync');
    this.#allowance ??= { given: this.#deps.admit() };
    this.#stripped.reset();
    if (this.#uncommittedBytes >= COMMIT_BYTES) this.commitRows();
    this.#beginRows();
    let said: { begins: boolean; ends: boolean };
    try {
      said = await this.#records(frame);
      this.#rows.flush();
    } catch (error) {
      this.#rows.clear();
      await this.newFiles.abandon();
      throw error;
    }
    await this.newFiles.settle();
    this.checkAllowance();
    this.intent.run('UPDATE sync SET received_bytes = received_bytes + ?', frame.body.length);
    // Last of all that can fail: a frame that is taken again is in the manifest once.
    this.intent.run(
      'INSERT INTO manifest_record (frame, records) VALUES (?, ?)',
      frame.sequence,
      this.#stripped.copy(),
    );
    this.#manifest.addEncoded(this.#stripped.view(), said);
    this.#recordBytes += this.#stripped.view().length;
    this.#uncommittedBytes += frame.body.length;
    this.#receivedBytes += frame.body.length;
    this.#ended = said.ends;
  }

  async #records(frame: Frame): Promise<{ begins: boolean; ends: boolean }> {
    let first = true;
    let begins = false;
    let ends = false;
    for (const { record, encoded } of decodeReceived(frame.body)) {
      if (ends) throw refused('a record after the end of its sync');
      if (record.type === 'begin') {
        if (!first) throw refused('a sync begins in the middle of a frame');
        begins = true;
      }
      copyReceived(this.#stripped, record, encoded);
      await this.#record(record, frame.sequence);
      await this.#slice.breathe();
      ends = record.type === 'end';
      first = false;
    }
    return { begins, ends };
  }

  /**
   * Hands rows to the file; not durable until a flush and `markDurable`. Throws `record-refused`
   * when storage that was full took rows with it: the sync has to come again.
   */
  commitRows(): void {
    if (this.intent.db.inTransaction) this.intent.db.exec('COMMIT');
    else this.#checkRows();
    this.#uncommitted = false;
    this.#uncommittedBytes = 0;
  }

  /** Notes, on disk, that frames up to `sequence` survive a power cut. Call after flushing the file system. */
  markDurable(sequence: number): void {
    this.commitRows();
    this.intent.db.pragma('synchronous = FULL');
    this.intent.run('UPDATE sync SET durable = max(durable, ?)', sequence);
    this.intent.db.pragma('synchronous = NORMAL');
    this.#row = { ...this.#row, durable: Math.max(this.#row.durable, sequence) };
  }

  /** Notes, on disk, that the sync is sealed with this manifest and outcome. */
  markSealed(): { manifest: Buffer; sync: number } {
    const manifest = this.#manifest.digest();
    this.commitRows();
    this.intent.db.pragma('synchronous = FULL');
    this.intent.run('UPDATE sync SET sealed = 1, manifest = ?', manifest);
    this.intent.db.pragma('synchronous = NORMAL');
    this.#row = { ...this.#row, sealed: 1 };
    return { manifest, sync: this.#row.sync };
  }

  /**
   * Makes the intent's files durable one by one when they are few; false when they are not and the
   * whole file system should be flushed (R25). Rows are made durable by `markSealed`.
   */
  flushIfSmall(): boolean {
    const built = this.intent.all<{ id: number }>(
      `SELECT id FROM node WHERE body_word = 2 AND dead = 0 LIMIT ${FLUSH_ONE_BY_ONE_MAX + 1}`,
    );
    if (built.length > FLUSH_ONE_BY_ONE_MAX) return false;
    this.pages.flush();
    const { folders } = this.#deps;
    const files = built.map(({ id }) => this.newFiles.path(id));
    for (const file of [...files, folders.new, folders.intent]) flushFile(file);
    return true;
  }

  close(): void {
    this.#allowance?.given?.release();
    this.newFiles.close();
    this.pages.close();
    closeIntent(this.intent);
  }

  #beginRows(): void {
    if (this.intent.db.inTransaction) return;
    this.#checkRows();
    this.intent.db.exec('BEGIN');
    this.#uncommitted = true;
  }

  /** SQLite may end a transaction by itself, with all its rows, when it cannot write. */
  #checkRows(): void {
    if (this.#uncommitted) throw refused('rows of the sync were lost when storage was full');
  }

  async #record(record: SyncRecord, sequence: number): Promise<void> {
    switch (record.type) {
      case 'begin':
        if (record.sync !== this.status().sync)
          throw refused('a second sync begins inside another');
        return;
      case 'node':
        this.#nodes.take(record);
        this.#receivedNodes += 1;
        return;
      case 'link':
        this.#nodes.takeEntry(record.parent, record.name, record.node);
        return;
      case 'unlink':
        this.#nodes.takeEntry(record.parent, record.name, 0);
        return;
      case 'end':
        this.#takeEnd(record, sequence);
        return;
      default:
        await this.#content.stage(this.#nodes.staged(record.node), record);
    }
  }

  #takeEnd(record: EndRecord, sequence: number): void {
    if (record.sync !== this.status().sync) throw refused('the end of another sync');
    const outcome = outcomeOf(record.outcome);
    this.intent.run(
      'UPDATE sync SET outcome = ?, ended_frame = ?',
      JSON.stringify(outcome),
      sequence,
    );
  }
}
