/**
 * A set in memory: a tree that random operations change, the records an agent would send for the
 * change, and full copies of every state to compare with.
 */
import { BLOCK_BYTES, blockCount, blockLength } from '../../../shared/limits.js';
import type { HashCore } from '../../../shared/hash/hash-core.js';
import { type NodeRecord, SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import type { SyncOutcome } from '../../../shared/protocol/sync-outcome.js';
import type { Seeded } from '../../support/seeded.js';
import { pagesRecord } from './model-records.js';

export interface ModelNode {
  readonly id: number;
  readonly kind: 'file' | 'folder' | 'symlink' | 'fifo';
  mode: number;
  mtimeNs: bigint;
  content: Buffer;
  target: Buffer;
}

/** path (latin1 of bytes) → what is there; hard links share `node`. */
export type FullCopy = Map<
  string,
  { node: number; kind: string; mode: number; mtimeNs: bigint; content: Buffer; target: string }
>;

export function outcome(): SyncOutcome {
  return {
    consistency: 'crash',
    recipe: 'none',
    heldMs: 0,
    imageMs: 1,
    rounds: 1,
    engine: 'rounds',
    scanAgeMs: 0,
    journal: { from: 0, to: 0 },
    operation: 'manual',
    reconciled: false,
    movedWhileHeld: [],
    unreadable: [],
    notCarried: [],
    applications: [],
    source: { host: 'model', roots: {} },
    counts: { filesChanged: 0, bytesRead: 0, bytesSent: 0 },
  };
}

export class ModelSet {
  readonly #random: Seeded;
  readonly #core: HashCore;
  #nodes = new Map<number, ModelNode>();
  /** folder → name (latin1) → node */
  #entries = new Map<number, Map<string, number>>([[SET_NODE, new Map()]]);
  #nextNode = 2;
  #clock = 1n;
  #sentNodes = new Map<number, ModelNode>();
  #sentEntries = new Map<number, Map<string, number>>([[SET_NODE, new Map()]]);

  constructor(random: Seeded, core: HashCore) {
    this.#random = random;
    this.#core = core;
  }

  /** Does some random operations. */
  mutate(operations: number): void {
    for (let n = 0; n < operations; n += 1) this.#operate();
  }

  fullCopy(): FullCopy {
    const copy: FullCopy = new Map();
    const walk = (folder: number, prefix: string): void => {
      for (const [name, id] of this.#entries.get(folder) ?? []) {
        const node = this.#node(id);
        const path = prefix === '' ? name : `${prefix}/${name}`;
        copy.set(path, {
          node: id,
          kind: node.kind,
          mode: node.mode,
          mtimeNs: node.mtimeNs,
          content: Buffer.from(node.content),
          target: node.target.toString('latin1'),
        });
        if (node.kind === 'folder') walk(id, path);
      }
    };
    walk(SET_NODE, '');
    return copy;
  }

  /** The records from the last committed state to the present one, `begin` and `end` included. */
  records(sync: number, parent: { point: number; chain: Buffer }): SyncRecord[] {
    const records: SyncRecord[] = [
      {
        type: 'begin',
        sync,
        parentPoint: parent.point,
        parentChain: parent.chain,
        incarnation: Buffer.alloc(16, 7),
        startedMs: 1,
      },
    ];
    for (const node of this.#liveNodes()) this.#nodeRecords(node, records);
    this.#entryRecords(records);
    records.push({ type: 'end', sync, outcome: Buffer.from(JSON.stringify(outcome())) });
    return records;
  }

  /** The present state is now the committed one. */
  committed(): void {
    this.#sentNodes = new Map(
      [...this.#liveNodes()].map((node) => [
        node.id,
        { ...node, content: Buffer.from(node.content) },
      ]),
    );
    this.#sentEntries = new Map(
      [...this.#entries].map(([folder, names]) => [folder, new Map(names)]),
    );
  }

  *#liveNodes(): Generator<ModelNode> {
    const live = new Set<number>();
    for (const names of this.#entries.values()) for (const id of names.values()) live.add(id);
    for (const id of [...live].sort((a, b) => a - b)) yield this.#node(id);
  }

  #nodeRecords(node: ModelNode, records: SyncRecord[]): void {
    const sent = this.#sentNodes.get(node.id);
    const same =
      sent?.mode === node.mode &&
      sent.mtimeNs === node.mtimeNs &&
      sent.content.equals(node.content);
    if (same) return;
    const rewritten = node.kind === 'file' && (sent === undefined || this.#random.chance(0.2));
    const record: NodeRecord = {
      type: 'node',
      node: node.id,
      kind: node.kind,
      mode: node.mode,
      uid: 0,
      gid: 0,
      size: node.content.length,
      mtimeNs: node.mtimeNs,
      rdev: 0,
      target: node.target,
      xattrs:
        node.id % 5 === 0
          ? [{ name: Buffer.from('user.k'), value: Buffer.from([node.id & 255]) }]
          : [],
      body: node.kind !== 'file' ? 'none' : rewritten ? 'new' : 'keep',
    };
    records.push(record);
    if (node.kind === 'file') this.#contentRecords(node, { sent, rewritten }, records);
  }

  #contentRecords(
    node: ModelNode,
    how: { sent: ModelNode | undefined; rewritten: boolean },
    records: SyncRecord[],
  ): void {
    for (let block = 0; block < blockCount(node.content.length); block += 1) {
      const length = blockLength(node.content.length, block);
      const bytes = node.content.subarray(block * BLOCK_BYTES, block * BLOCK_BYTES + length);
      const old =
        how.sent?.content.subarray(block * BLOCK_BYTES, block * BLOCK_BYTES + BLOCK_BYTES) ??
        Buffer.alloc(0);
      const at = { node: node.id, block };
      if (old.equals(bytes)) {
        if (how.rewritten) records.push({ type: 'same', ...at, count: 1 });
        continue;
      }
      const digest = this.#core.digest(bytes);
      if (bytes.every((byte) => byte === 0)) records.push({ type: 'zero', ...at, count: 1 });
      else if (how.rewritten || this.#random.chance(0.3))
        records.push({ type: 'block', ...at, digest, bytes });
      else records.push(pagesRecord({ ...at, digest, bytes, old }));
    }
  }

  #entryRecords(records: SyncRecord[]): void {
    const folders = new Set([...this.#entries.keys(), ...this.#sentEntries.keys()]);
    for (const folder of folders) {
      const now = this.#entries.get(folder) ?? new Map<string, number>();
      const sent = this.#sentEntries.get(folder) ?? new Map<string, number>();
      for (const [name] of sent) {
        if (!now.has(name))
          records.push({ type: 'unlink', parent: folder, name: Buffer.from(name, 'latin1') });
      }
      for (const [name, node] of now) {
        if (sent.get(name) !== node)
          records.push({ type: 'link', parent: folder, name: Buffer.from(name, 'latin1'), node });
      }
    }
  }

  #node(id: number): ModelNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`model node ${id}`);
    return node;
  }

  #operate(): void {
    const roll = this.#random.below(100);
    if (roll < 22) this.#create('file');
    else if (roll < 30) this.#create('folder');
    else if (roll < 34) this.#create('symlink');
    else if (roll < 36) this.#create('fifo');
    else if (roll < 55) this.#write();
    else if (roll < 62) this.#resize();
    else if (roll < 74) this.#rename();
    else if (roll < 78) this.#swap();
    else if (roll < 83) this.#hardLink();
    else if (roll < 95) this.#remove();
    else this.#touch();
  }

  #create(kind: ModelNode['kind']): void {
    const folder = this.#random.pick(this.#folders());
    const name = this.#freshName();
    const id = this.#nextNode;
    this.#nextNode += 1;
    this.#nodes.set(id, {
      id,
      kind,
      mode: this.#random.below(0o10000),
      mtimeNs: this.#tick(),
      content: kind === 'file' ? this.#bytes(this.#random.below(3 * BLOCK_BYTES)) : Buffer.alloc(0),
      target: kind === 'symlink' ? Buffer.from(`../${name}`) : Buffer.alloc(0),
    });
    if (kind === 'folder') this.#entries.set(id, new Map());
    this.#place(folder, name, id);
  }

  /** Puts a name into a folder, replacing a file of that name sometimes. */
  #place(folder: number, name: string, id: number): void {
    const names = this.#entries.get(folder);
    if (names === undefined) throw new Error('no folder');
    const replaceable = [...names].filter(
      ([, there]) => this.#node(there).kind !== 'folder' && there !== id,
    );
    const victim =
      replaceable.length > 0 && this.#random.chance(0.25)
        ? this.#random.pick(replaceable)[0]
        : name;
    names.set(victim, id);
  }

  #write(): void {
    const file = this.#pickFile();
    if (file === undefined || file.content.length === 0) return;
    const content = Buffer.from(file.content);
    for (let n = this.#random.below(3) + 1; n > 0; n -= 1) {
      const at = this.#random.below(content.length);
      const length = Math.min(content.length - at, this.#random.below(9000) + 1);
      if (this.#random.chance(0.15)) content.fill(0, at, at + length);
      else this.#bytes(length).copy(content, at);
    }
    file.content = content;
    file.mtimeNs = this.#tick();
  }

  #resize(): void {
    const file = this.#pickFile();
    if (file === undefined) return;
    const size = this.#random.below(4 * BLOCK_BYTES);
    const content = Buffer.alloc(size);
    file.content.copy(content);
    file.content = content;
    file.mtimeNs = this.#tick();
  }

  #rename(): void {
    const from = this.#pickName();
    if (from === undefined) return;
    const [folder, name, id] = from;
    const to = this.#random.pick(this.#folders());
    if (this.#isBelow(to, id)) return;
    this.#entries.get(folder)?.delete(name);
    this.#place(to, this.#freshName(), id);
  }

  /** Two names change places, folders included. */
  #swap(): void {
    const a = this.#pickName();
    const b = this.#pickName();
    if (a === undefined || b === undefined || a[2] === b[2]) return;
    if (this.#isBelow(a[0], b[2]) || this.#isBelow(b[0], a[2])) return;
    this.#entries.get(a[0])?.set(a[1], b[2]);
    this.#entries.get(b[0])?.set(b[1], a[2]);
  }

  #hardLink(): void {
    const file = this.#pickFile();
    if (file !== undefined)
      this.#place(this.#random.pick(this.#folders()), this.#freshName(), file.id);
  }

  #remove(): void {
    const name = this.#pickName();
    if (name === undefined) return;
    const [folder, text, id] = name;
    // Sometimes something is saved out of a folder before it goes.
    const inside = [...(this.#entries.get(id) ?? [])];
    if (inside.length > 0 && this.#random.chance(0.5)) {
      const [kept, node] = this.#random.pick(inside);
      this.#entries.get(id)?.delete(kept);
      this.#entries.get(SET_NODE)?.set(this.#freshName(), node);
    }
    this.#entries.get(folder)?.delete(text);
    this.#forget(id);
  }

  #forget(id: number): void {
    const names = this.#entries.get(id);
    if (names === undefined) return;
    this.#entries.delete(id);
    for (const child of names.values()) this.#forget(child);
  }

  #touch(): void {
    const name = this.#pickName();
    if (name === undefined) return;
    const node = this.#node(name[2]);
    node.mode = this.#random.below(0o10000);
    node.mtimeNs = this.#tick();
  }

  #isBelow(folder: number, ancestor: number): boolean {
    if (folder === ancestor) return true;
    for (const child of this.#entries.get(ancestor)?.values() ?? []) {
      if (this.#node(child).kind === 'folder' && this.#isBelow(folder, child)) return true;
    }
    return false;
  }

  #folders(): number[] {
    return [...this.#entries.keys()];
  }

  #pickName(): [number, string, number] | undefined {
    const all: [number, string, number][] = [];
    for (const [folder, names] of this.#entries)
      for (const [name, id] of names) all.push([folder, name, id]);
    return all.length === 0 ? undefined : this.#random.pick(all);
  }

  #pickFile(): ModelNode | undefined {
    const files = [...this.#liveNodes()].filter((node) => node.kind === 'file');
    return files.length === 0 ? undefined : this.#random.pick(files);
  }

  #freshName(): string {
    return `n${this.#random.below(1_000_000)}${this.#random.chance(0.1) ? '\xff\n' : ''}`;
  }

  #bytes(length: number): Buffer {
    return this.#random.bytes(length);
  }

  #tick(): bigint {
    this.#clock += BigInt(1 + this.#random.below(2_000_000_000));
    return this.#clock;
  }
}
