/**
 * Makes a set of very many files and points by writing its index, as so many syncs would have: names that
 * differ, folders of 1,000, a few files written, made and removed at each point. Only one file has
 * content on the disk.
 */
import { mkdirSync, openSync, closeSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openIndex, type IndexDb } from '../../replica/index/index-db.js';
import { LIVE, Place } from '../../replica/index/schema.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { toPathText } from '../../shared/path-text.js';
import { nodeKinds, SET_NODE } from '../../shared/protocol/records.js';
import type { SyncOutcome } from '../../shared/protocol/sync-outcome.js';
import { Random } from '../trees/random.js';

export interface BuiltSet {
  readonly folder: string;
  readonly files: number;
  readonly points: number;
  readonly seed: number;
  /** Of the one file that has content. */
  readonly contentBytes: number;
}

export const CONTENT_PATH = 'srv/image.raw';
const FOLDER_FILES = 1000;
/** Files written, made and removed at a point. */
const WRITTEN = 20;
const MADE = 3;
const POINT_EVERY_MS = 300_000;
const DIGESTS = 128;

export const words = [
  ...['invoice', 'report', 'photo', 'backup', 'customer', 'session', 'contract', 'upload'],
  ...['thumbnail', 'archive', 'letter', 'budget', 'meeting', 'draft', 'log', 'export', 'scan'],
  ...['order', 'avatar', 'message', 'receipt', 'summary', 'template', 'project', 'notes', 'plan'],
];
const endings = ['pdf', 'txt', 'jpg', 'json', 'conf', 'xlsx', 'log', 'html', 'db', 'md'];

/** Where the folder of a file is; the same for every set of so many files. */
export function folderOf(file: number): string {
  return `srv/${folderName(Math.floor(file / FOLDER_FILES))}`;
}

export function buildSet(options: BuiltSet): void {
  mkdirSync(join(options.folder, 'base', 'srv'), { recursive: true });
  const index = openIndex(join(options.folder, 'index.db'));
  index.db.pragma('synchronous = OFF');
  index.db.pragma('cache_size = -400000');
  try {
    const maker = new SetMaker(index, options);
    index.db.transaction(() => {
      maker.make();
    })();
    index.db.transaction(() => {
      writeNames(index, maker.names);
      const sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('names_to', ?)";
      index.run(sql, options.points);
    })();
    index.db.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    index.close();
  }
}

function writeNames(index: IndexDb, names: readonly Buffer[]): void {
  for (const name of names) {
    const { changes, lastInsertRowid } = index
      .prepare('INSERT OR IGNORE INTO name (name) VALUES (?)')
      .run(name);
    if (changes === 0) continue;
    const sql = 'INSERT INTO name_text (rowid, text) VALUES (?, ?)';
    index.run(sql, lastInsertRowid, toPathText(name));
  }
}

interface File {
  readonly node: number;
  readonly parent: number;
  readonly name: Buffer;
  /** Of the version that is live. */
  born: number;
  entryBorn: number;
  body: number;
  size: number;
}

class SetMaker {
  readonly names: Buffer[] = [];
  readonly #index: IndexDb;
  readonly #options: BuiltSet;
  readonly #random: Random;
  readonly #files: File[] = [];
  #node = SET_NODE;
  #body = 0;

  constructor(index: IndexDb, options: BuiltSet) {
    this.#index = index;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  make(): void {
    const root = this.#folder(SET_NODE, 'srv');
    this.#content(root);
    const { files, points } = this.#options;
    let parent = root;
    for (let file = 0; file < files; file += 1) {
      if (file % FOLDER_FILES === 0) {
        parent = this.#folder(root, folderName(file / FOLDER_FILES));
      }
      this.#files.push(this.#file(parent, 1));
    }
    this.#point(1, files);
    for (let point = 2; point <= points; point += 1) {
      for (let n = 0; n < WRITTEN && files > 0; n += 1) this.#write(point);
      for (let n = 0; n < MADE && files > 0; n += 1) this.#replace(point);
      this.#point(point, files);
    }
    for (const file of this.#files) this.#end(file, LIVE);
  }

  #folder(parent: number, name: string): number {
    this.#node += 1;
    const bytes = Buffer.from(name);
    this.#nodeRow({ id: this.#node, born: 1, died: LIVE, kind: 'folder', size: 0, body: null });
    this.#entryRow({ parent, name: bytes, born: 1, died: LIVE, node: this.#node });
    this.names.push(bytes);
    return this.#node;
  }

  #file(parent: number, point: number): File {
    this.#node += 1;
    const word = words[this.#random.below(words.length)] ?? '';
    const other = words[this.#random.below(words.length)] ?? '';
    const ending = endings[this.#random.below(endings.length)] ?? '';
    const name = Buffer.from(`${word}-${other}-${this.#node}.${ending}`);
    this.names.push(name);
    this.#body += 1;
    const size = this.#random.below(100_000);
    const at = { parent, name, born: point, entryBorn: point, body: this.#body, size };
    return { node: this.#node, ...at };
  }

  /** A new version of some file, with other content. */
  #write(point: number): void {
    const file = this.#files[this.#random.below(this.#files.length)];
    if (file === undefined || file.born === point) return;
    this.#endVersion(file, point);
    this.#body += 1;
    file.born = point;
    file.body = this.#body;
    file.size = this.#random.below(100_000);
  }

  /** Some file goes, another comes in its folder. */
  #replace(point: number): void {
    const at = this.#random.below(this.#files.length);
    const file = this.#files[at];
    if (file === undefined || file.born === point) return;
    this.#end(file, point);
    this.#files[at] = this.#file(file.parent, point);
  }

  #end(file: File, died: number): void {
    this.#endVersion(file, died);
    const { parent, name, entryBorn: born, node } = file;
    this.#entryRow({ parent, name, born, died, node });
  }

  #endVersion({ node, born, body, size }: File, died: number): void {
    this.#nodeRow({ id: node, born, died, kind: 'file', size, body });
    this.#index.run(
      'INSERT INTO body (id, node, born, died, place, size) VALUES (?, ?, ?, ?, ?, ?)',
      ...[body, node, born, died, died === LIVE ? Place.base : Place.attic, size],
    );
  }

  /** The file that is read: its blocks are on the disk and their digests in the index. */
  #content(parent: number): void {
    const { contentBytes, folder } = this.#options;
    this.#node += 1;
    this.#body += 1;
    const [node, body] = [this.#node, this.#body];
    const name = Buffer.from('image.raw');
    this.names.push(name);
    this.#nodeRow({ id: node, born: 1, died: LIVE, kind: 'file', size: contentBytes, body });
    this.#entryRow({ parent, name, born: 1, died: LIVE, node });
    this.#index.run(
      'INSERT INTO body (id, node, born, died, place, size) VALUES (?, ?, ?, ?, ?, ?)',
      ...[body, node, 1, LIVE, Place.base, contentBytes],
    );
    const core = createHashCore();
    const file = openSync(join(folder, 'base', CONTENT_PATH), 'w');
    for (let first = 0; first * BLOCK_BYTES < contentBytes; first += DIGESTS) {
      const length = Math.min(DIGESTS * BLOCK_BYTES, contentBytes - first * BLOCK_BYTES);
      const bytes = this.#random.bytes(length);
      writeSync(file, bytes);
      const digests: Buffer[] = [];
      for (let at = 0; at < length; at += BLOCK_BYTES) {
        digests.push(Buffer.from(core.digest(bytes.subarray(at, at + BLOCK_BYTES))));
      }
      this.#index.run(
        'INSERT INTO digests (body, first, digests) VALUES (?, ?, ?)',
        ...[body, first, Buffer.concat(digests)],
      );
    }
    closeSync(file);
  }

  #point(point: number, files: number): void {
    const zeros = Buffer.alloc(32);
    this.#index.run(
      `INSERT INTO point (point, time_ms, sync, chain, parent_chain, manifest, incarnation, outcome,
         files, bytes, changed_nodes, changed_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[point, timeOf(point), point, zeros, zeros, zeros, zeros.subarray(16)],
      ...[outcomeOf(point), files, files * 50_000, point === 1 ? files : WRITTEN + 2 * MADE],
      this.#random.below(2_000_000),
    );
  }

  #nodeRow(row: {
    readonly id: number;
    readonly born: number;
    readonly died: number;
    readonly kind: (typeof nodeKinds)[number];
    readonly size: number;
    readonly body: number | null;
  }): void {
    const { id, born, died, kind, size, body } = row;
    const mode = kind === 'folder' ? 0o755 : 0o644;
    this.#index.run(
      `INSERT INTO node (id, born, died, kind, mode, uid, gid, size, mtime_s, mtime_ns, rdev, target,
         xattrs, body) VALUES (?, ?, ?, ?, ?, 1000, 1000, ?, ?, 0, 0, NULL, NULL, ?)`,
      ...[id, born, died, nodeKinds.indexOf(kind), mode, size],
      ...[Math.floor(timeOf(born) / 1000), body],
    );
  }

  #entryRow(row: {
    readonly parent: number;
    readonly name: Buffer;
    readonly born: number;
    readonly died: number;
    readonly node: number;
  }): void {
    this.#index.run(
      'INSERT INTO entry (parent, name, born, died, node) VALUES (?, ?, ?, ?, ?)',
      ...[row.parent, row.name, row.born, row.died, row.node],
    );
  }
}

function folderName(number: number): string {
  return `folder-${String(number).padStart(4, '0')}`;
}

export function timeOf(point: number): number {
  return Date.UTC(2031, 0, 1) + point * POINT_EVERY_MS;
}

/** As large as what an agent says of a set with a database. */
function outcomeOf(point: number): string {
  const outcome: SyncOutcome = {
    consistency: point % 50 === 0 ? 'crash' : 'application',
    ...{ recipe: 'postgresql', heldMs: 40, imageMs: timeOf(point), rounds: 2, engine: 'clone' },
    ...{ scanAgeMs: 0, journal: { from: point, to: point + 1 }, operation: 'schedule' },
    ...{ reconciled: false, movedWhileHeld: [], notCarried: [] },
    unreadable: point % 97 === 0 ? ['srv/secret.key'] : [],
    applications: [
      {
        ...{ kind: 'postgresql', version: '15.8', mountPoint: '/srv', filesystem: 'xfs' },
        ...{ logPosition: `0/${point.toString(16).padStart(8, '0')}`, facts: { database: 'shop' } },
      },
    ],
    source: { host: 'app-1.example', roots: { srv: '/srv' } },
    counts: { filesChanged: WRITTEN, bytesRead: 4_000_000, bytesSent: 1_000_000 },
  };
  return JSON.stringify(outcome);
}
