/** What is open of a set on the replica: index, packs and bodies, shared by its writer and its readers. */
import path from 'node:path';
import { systemClock } from '../../shared/clock.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { NewCheck } from '../certify/new-check.js';
import { makeSetFolders } from '../set-folders.js';
import { type IndexDb, openIndex, openIndexReader } from '../index/index-db.js';
import { isPackNamed, namedPacks, packTail } from '../index/pack-rows.js';
import { IndexTrust } from '../verify/index-trust.js';
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
  /** Why the index is not to be believed in what it does not name, if anything speaks against it. */
  readonly doubt: () => string | undefined;
  readonly #trust: IndexTrust;
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
    const { writer, index } = openBoth(path.join(this.folder, 'index.db'));
    this.writer = writer;
    this.index = index;
    const trust = new IndexTrust(this.folder, options.core);
    this.#trust = trust;
    this.doubt = () => trust.doubt;
    try {
      this.packs = new Packs(path.join(this.folder, 'packs'), options.core, {
        tail: packTail(writer),
        isNamed: (pack) => isPackNamed(writer, pack),
        named: () => namedPacks(writer),
        mayRemove: () => trust.doubt === undefined,
      });
      this.source = {
        index,
        bodies: new BodyFiles(this.folder, index),
        packs: this.packs,
        core: options.core,
        applying: () => this.applying,
      };
    } catch (error) {
      closeBoth({ writer, index });
      trust.close();
      throw error;
    }
  }

  close(): void {
    this.source.bodies.close();
    this.packs.close();
    this.index.close();
    this.writer.close();
    this.#trust.close();
  }

  /** As `close`, and the log of the index stays: its file remains the one that its twin is of. */
  giveUp(): void {
    this.source.bodies.close();
    this.packs.close();
    closeBoth(this);
    this.#trust.close();
  }
}

interface Connections {
  readonly writer: IndexDb;
  readonly index: IndexDb;
}

/** Both, or none. */
function openBoth(file: string): Connections {
  const writer = openIndex(file);
  try {
    return { writer, index: openIndexReader(file) };
  } catch (error) {
    writer.close();
    throw error;
  }
}

/** The reader last, which cannot empty the log: the index's file stays the one its twin is of. */
function closeBoth({ writer, index }: Connections): void {
  writer.close();
  index.close();
}
