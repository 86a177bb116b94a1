/**
 * A small set with a few points, for tests that send it records by hand: what every point must read
 * back as is kept, and a good sync can be made at any time.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ByteWriter } from '../../../shared/protocol/bytes.js';
import {
  encodeRecord,
  type NodeRecord,
  SET_NODE,
  type SyncRecord,
} from '../../../shared/protocol/records.js';
import type { SetEvent } from '../../../replica/receive/set-port.js';
import { differences, type FullCopy, readPoint } from '../../model/full-copy.js';
import { core, openModelSet, type OpenSet, sendSync } from '../../model/open-set.js';
import { outcome } from '../../model/sync-records.js';

export { core };

/** What `SmallSet.create` puts into the first point. */
export const Nodes = { folder: 2, file: 3, symlink: 4, other: 5, inner: 6, dead: 7 } as const;
export const FILE_BYTES = 150_000;

export function pattern(length: number, salt: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1)
    bytes[at] = (at * 31 + (at >> 8) * 7 + salt * 13 + 1) & 255;
  return bytes;
}

export function nodeRecord(part: Partial<NodeRecord> & Pick<NodeRecord, 'node'>): NodeRecord {
  const kind = part.kind ?? 'file';
  return {
    type: 'node',
    kind,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeNs: 1_000_000_000n,
    rdev: 0,
    target: kind === 'symlink' ? Buffer.from('somewhere') : Buffer.alloc(0),
    xattrs: [],
    body: kind === 'file' ? 'new' : 'none',
    ...part,
  };
}

/** A new file's records: node, blocks, name. */
export function fileRecords(file: {
  readonly node: number;
  readonly parent: number;
  readonly name: string;
  readonly content: Buffer;
}): SyncRecord[] {
  const { node, content } = file;
  return [
    nodeRecord({ node, size: content.length }),
    ...blockRecords(node, content),
    link(file.parent, file.name, node),
  ];
}

export function blockRecords(node: number, content: Buffer): SyncRecord[] {
  const records: SyncRecord[] = [];
  for (let block = 0; block * 65_536 < content.length; block += 1) {
    const bytes = content.subarray(block * 65_536, block * 65_536 + 65_536);
    records.push({ type: 'block', node, block, digest: core.digest(bytes), bytes });
  }
  return records;
}

export function link(parent: number, name: string, node: number): SyncRecord {
  return { type: 'link', parent, name: Buffer.from(name, 'latin1'), node };
}

export function unlink(parent: number, name: string): SyncRecord {
  return { type: 'unlink', parent, name: Buffer.from(name, 'latin1') };
}

export function encode(records: readonly SyncRecord[]): Buffer {
  const writer = new ByteWriter();
  for (const record of records) encodeRecord(writer, record);
  return writer.copy();
}

export class SmallSet {
  readonly folder: string;
  /** What each point must read back as; the n-th is point n + 1. */
  readonly copies: FullCopy[] = [];
  #open: OpenSet;
  #sequence = 0;
  #sync = 0;
  #edits = 0;
  #boot = 1;

  private constructor(folder: string, open: OpenSet) {
    this.folder = folder;
    this.#open = open;
  }

  /** Two points: a folder with a file and a folder in it, a link and another file; one file came and went. */
  static async create(): Promise<SmallSet> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-small-'));
    const set = new SmallSet(folder, await openModelSet(folder));
    await set.commit([
      nodeRecord({ node: Nodes.folder, kind: 'folder' }),
      link(SET_NODE, 'folder', Nodes.folder),
      nodeRecord({ node: Nodes.inner, kind: 'folder' }),
      link(Nodes.folder, 'inner', Nodes.inner),
      ...fileRecords({
        node: Nodes.file,
        parent: Nodes.folder,
        name: 'file',
        content: pattern(FILE_BYTES, 1),
      }),
      nodeRecord({ node: Nodes.symlink, kind: 'symlink', target: Buffer.from('folder/file') }),
      link(SET_NODE, 'symlink', Nodes.symlink),
      ...fileRecords({
        node: Nodes.other,
        parent: SET_NODE,
        name: 'other',
        content: pattern(5000, 2),
      }),
      ...fileRecords({ node: Nodes.dead, parent: SET_NODE, name: 'dead', content: pattern(99, 3) }),
    ]);
    await set.commit([unlink(SET_NODE, 'dead')]);
    return set;
  }

  get open(): OpenSet {
    return this.#open;
  }
  get point(): number {
    return this.#open.writer.position().point;
  }
  at(...names: readonly string[]): string {
    return path.join(this.folder, ...names);
  }

  /** The frames of a sync on top of the newest point, `begin` and `end` included. */
  framed(records: readonly SyncRecord[]): Buffer[] {
    this.#sync += 1;
    const { point, chain } = this.#open.writer.position();
    const begin: SyncRecord = {
      type: 'begin',
      sync: this.#sync,
      parentPoint: point,
      parentChain: chain,
      incarnation: Buffer.alloc(16, 3),
      startedMs: 5,
    };
    const end: SyncRecord = {
      type: 'end',
      sync: this.#sync,
      outcome: Buffer.from(JSON.stringify(outcome())),
    };
    return [encode([begin]), encode(records), encode([end])];
  }

  /** Sends frames as they are; what became of them. Rejects when the set stalls. */
  async sendFrames(frames: readonly Buffer[]): Promise<SetEvent> {
    const from = this.#sequence + 1;
    this.#sequence += frames.length;
    return sendSync(this.#open.writer, { boot: String(this.#boot), from, frames });
  }

  /** Sends a sync; what became of it. */
  send(records: readonly SyncRecord[]): Promise<SetEvent> {
    return this.sendFrames(this.framed(records));
  }

  /** Sends a sync that must become a point, and remembers what that point is. */
  async commit(records: readonly SyncRecord[]): Promise<void> {
    const event = await this.send(records);
    if (event.type === 'refused') throw event.error;
    this.copies.push(await readPoint(this.#open.store, this.point));
  }

  /** A good sync: patches the other file, adds one. Checked against what is expected of it. */
  async goodSync(): Promise<string[]> {
    this.#edits += 1;
    const before = this.copies.at(-1) ?? new Map<string, never>();
    const content = pattern(5000, 100 + this.#edits);
    const node = 1_000_000 + this.#edits;
    const name = `added-${this.#edits}`;
    await this.commit([
      nodeRecord({ node: Nodes.other, size: content.length, body: 'keep' }),
      ...blockRecords(Nodes.other, content),
      ...fileRecords({ node, parent: SET_NODE, name, content: pattern(10, this.#edits) }),
    ]);
    const now = this.copies.at(-1) ?? new Map<string, never>();
    const wrong: string[] = [];
    if (now.get('other')?.content.equals(content) !== true) wrong.push('the patch is not there');
    if (now.get(name)?.content.equals(pattern(10, this.#edits)) !== true) wrong.push('no new file');
    const others = [...before].filter(([at]) => at !== 'other');
    const kept = new Map([...now].filter(([at]) => at !== 'other' && at !== name));
    return [...wrong, ...differences(kept, new Map(others))];
  }

  /** What is wrong with any point so far; empty when nothing is. */
  async wrongPoints(): Promise<string[]> {
    const wrong: string[] = [];
    for (const [index, copy] of this.copies.entries()) {
      const found = await readPoint(this.#open.store, index + 1);
      wrong.push(...differences(found, copy).map((line) => `point ${index + 1}: ${line}`));
    }
    return wrong;
  }

  /** Files left in the folders of syncs under way. */
  strays(): string[] {
    return ['intent', 'new', 'park', 'leftover'].flatMap((part) =>
      fs.readdirSync(this.at(part)).map((name) => `${part}/${name}`),
    );
  }

  /** The process ends and another one opens the set; `meanwhile` nobody has it open. */
  async reopen(meanwhile?: () => void): Promise<void> {
    await this.#open.close();
    meanwhile?.();
    this.#open = await openModelSet(this.folder);
    this.#sequence = 0;
    this.#boot += 1;
    const { staged } = this.#open.writer.position();
    if (staged?.sealed === false) await this.#open.writer.abandon('another process sends now');
  }

  async close(): Promise<void> {
    await this.#open.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
