/** What is open of a set on the replica: index, packs and bodies, shared by its writer and its readers. */
import path from 'node:path';
import { systemClock } from '../../shared/clock.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { NewCheck } from '../certify/new-check.js';
import { makeSetFolders } from '../set-folders.js';
import { type IndexDb, openIndex, openIndexReader } from '../index/index-db.js';
import { isPackNamed, packTail } from '../index/pack-rows.js';
import { BodyFiles } from './body-files.js';
import { Packs } from './packs.js';
import { PointUse } from './point-use.js';
import { PromisedBodies } from './promised-bodies.js';
import type { BlockSource } from './read-block.js';

export class SetStore {
  readonly set: string;
  readonly folder: string;
  /** Committed state only. */
  readonly index: IndexDb;
  /** The writer's connection; nobody else uses it. */
  readonly writer: IndexDb;
  readonly packs: Packs;
  readonly source: BlockSource;
  /** What retention must leave alone for the sake of a sync under way. */
  readonly promised = new PromisedBodies(systemClock);
  readonly uses = new PointUse(systemClock);
  /** Points whose rows a scrub found changed since they were cut: none of them is read (promise 2). */
  readonly distrusted = new Set<number>();
  /** True between transactions A and B. */
  applying = false;
  /**
   * Certifies what the index says is due: for whoever holds the set's lock, after a transaction that
   * cut or removed points. Never throws; what fails stays due.
   */
  certify = (): void => undefined;
  /** Certifies that points were looked at, and what was found. Never throws. */
  recordCheck: (check: NewCheck) => void = () => undefined;

  constructor(options: { readonly set: string; readonly folder: string; readonly core: HashCore }) {
    this.set = options.set;
    this.folder = options.folder;
    makeSetFolders(this.folder);
    const file = path.join(this.folder, 'index.db');
    this.writer = openIndex(file);
    this.index = openIndexReader(file);
    this.packs = new Packs(path.join(this.folder, 'packs'), options.core, {
      tail: packTail(this.writer),
      isNamed: (pack) => isPackNamed(this.writer, pack),
    });
    this.source = {
      index: this.index,
      bodies: new BodyFiles(this.folder, this.index),
      packs: this.packs,
      core: options.core,
      applying: () => this.applying,
    };
  }

  close(): void {
    this.source.bodies.close();
    this.packs.close();
    this.index.close();
    this.writer.close();
  }
}
