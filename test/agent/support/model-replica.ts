/**
 * A replica in memory that holds a sync's record stream to its rules: what it accepts is what
 * records.ts promises, what it holds afterwards is compared with the tree that was read.
 */
import type { HashCore } from '../../../shared/hash/hash-core.js';
import { BLOCK_BYTES, blockCount, blockLength, PAGE_BYTES } from '../../../shared/limits.js';
import { ByteWriter } from '../../../shared/protocol/bytes.js';
import { ManifestDigest, nextChain } from '../../../shared/protocol/manifest.js';
import {
  encodeRecord,
  SET_NODE,
  type ContentRecord,
  type NodeRecord,
  type SyncRecord,
} from '../../../shared/protocol/records.js';
import { syncOutcomeSchema, type SyncOutcome } from '../../../shared/protocol/sync-outcome.js';

export interface ModelNode {
  readonly record: NodeRecord;
  readonly content: Buffer;
}

export interface ModelState {
  readonly nodes: ReadonlyMap<number, ModelNode>;
  /** `<parent>/<name as latin1>` → node. */
  readonly entries: ReadonlyMap<string, number>;
}

interface Staged {
  readonly sync: number;
  readonly incarnation: Uint8Array;
  readonly records: Map<number, NodeRecord>;
  readonly blocks: Map<number, Map<number, Buffer>>;
  readonly entries: Map<string, number>;
}

export class ModelReplica {
  readonly #core: HashCore;
  readonly #manifest = new ManifestDigest();
  state: ModelState = { nodes: new Map(), entries: new Map() };
  point = 0;
  chain: Buffer = Buffer.alloc(32);
  outcome: SyncOutcome | undefined;
  /** Records of the newest sync by type, and its literal bytes. */
  counts: Record<string, number> = {};
  literalBytes = 0;
  lastManifest: Buffer = Buffer.alloc(32);
  lastSync = 0;
  /** Content the replica has seen, by digest: what `has` and `copy` answer from. */
  readonly #byDigest = new Map<string, Buffer>();
  readonly #later = new Map<string, Buffer>();
  readonly #dead = new Set<number>();
  #staged: Staged | undefined;

  constructor(core: HashCore) {
    this.#core = core;
  }

  get manifest(): ManifestDigest {
    return this.#manifest;
  }

  has(digest: Uint8Array): boolean {
    return this.#byDigest.has(key(digest));
  }

  forget(digest: Uint8Array): void {
    this.#byDigest.delete(key(digest));
  }

  content(node: number): Buffer {
    return this.state.nodes.get(node)?.content ?? Buffer.alloc(0);
  }

  drop(): void {
    this.#staged = undefined;
  }

  /** Another one that holds what was committed here, and goes its own way. */
  fork(): ModelReplica {
    const fork = new ModelReplica(this.#core);
    const { state, point, chain, lastManifest, lastSync } = this;
    Object.assign(fork, { state, point, chain, lastManifest, lastSync });
    for (const [digest, bytes] of this.#byDigest) fork.#byDigest.set(digest, bytes);
    for (const node of this.#dead) fork.#dead.add(node);
    return fork;
  }

  /** Takes a record; true when it was the sync's last and the point is cut. */
  take(record: SyncRecord): boolean {
    this.#manifest.add(record);
    this.counts[record.type] = (this.counts[record.type] ?? 0) + 1;
    if (record.type === 'begin') {
      this.#begin(record);
      return false;
    }
    const staged = this.#staged;
    if (staged === undefined) throw new Error(`${record.type} outside a sync`);
    switch (record.type) {
      case 'node':
        if (record.node <= SET_NODE || this.#dead.has(record.node)) throw new Error('dead node');
        staged.records.set(record.node, record);
        return false;
      case 'link':
        if (!staged.records.has(record.node) && !this.state.nodes.has(record.node)) {
          throw new Error(`link to unknown node ${record.node}`);
        }
        staged.entries.set(entryKey(record.parent, record.name), record.node);
        return false;
      case 'unlink':
        if (!staged.entries.delete(entryKey(record.parent, record.name))) {
          throw new Error('unlink of a name that is not there');
        }
        return false;
      case 'end':
        this.#end(staged, record.outcome);
        return true;
      default:
        this.#content(staged, record);
        return false;
    }
  }

  #begin(record: Extract<SyncRecord, { type: 'begin' }>): void {
    if (record.parentPoint !== this.point || !this.chain.equals(record.parentChain)) {
      throw new Error('parent mismatch');
    }
    this.counts = { begin: 1 };
    this.literalBytes = 0;
    this.#staged = {
      sync: record.sync,
      incarnation: Buffer.from(record.incarnation),
      records: new Map(),
      blocks: new Map(),
      entries: new Map(this.state.entries),
    };
  }

  #content(staged: Staged, record: ContentRecord): void {
    const said = staged.records.get(record.node);
    if (said === undefined) throw new Error('content before its node record');
    const blocks = staged.blocks.get(record.node) ?? new Map<number, Buffer>();
    staged.blocks.set(record.node, blocks);
    const count = record.type === 'zero' || record.type === 'same' ? record.count : 1;
    for (let block = record.block; block < record.block + count; block += 1) {
      blocks.set(block, this.#bytesOf(record, block, { said, blocks }));
    }
  }

  #bytesOf(
    record: ContentRecord,
    block: number,
    at: { said: NodeRecord; blocks: Map<number, Buffer> },
  ): Buffer {
    switch (record.type) {
      case 'zero':
        return Buffer.alloc(BLOCK_BYTES);
      case 'same':
        return this.#parentBlock(record.node, block);
      case 'block':
        this.literalBytes += record.bytes.length;
        return this.#checked(Buffer.from(record.bytes), record.digest);
      case 'copy': {
        const bytes = this.#byDigest.get(key(record.digest));
        if (bytes?.length !== record.length) throw new Error('copy of content that is not there');
        return bytes;
      }
      case 'pages': {
        const staged = at.blocks.get(block);
        if (staged === undefined && at.said.body === 'new') {
          throw new Error('pages for a block of a new body that was not said');
        }
        const before = staged ?? this.#parentBlock(record.node, block);
        this.literalBytes += record.bytes.length;
        return this.#checked(overlay(before, record), record.digest, { copyable: false });
      }
      case 'splice': {
        const source = this.content(record.source);
        const parts = record.segments.map((segment) =>
          segment.type === 'old'
            ? source.subarray(segment.offset, segment.offset + segment.length)
            : Buffer.from(segment.bytes),
        );
        for (const segment of record.segments) {
          if (segment.type === 'literal') this.literalBytes += segment.bytes.length;
        }
        const bytes = Buffer.concat(parts);
        if (bytes.length !== record.length) throw new Error('a splice of the wrong length');
        return this.#checked(bytes, record.digest);
      }
    }
  }

  #parentBlock(node: number, block: number): Buffer {
    return this.content(node).subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  }

  /** Blocks of which only pages came can be copied from once the sync is committed. */
  #checked(bytes: Buffer, digest: Uint8Array, options = { copyable: true }): Buffer {
    if (!this.#core.digest(bytes).equals(digest)) throw new Error('digest mismatch');
    if (options.copyable) this.#byDigest.set(key(digest), Buffer.from(bytes));
    else this.#later.set(key(digest), Buffer.from(bytes));
    return bytes;
  }

  #end(staged: Staged, outcome: Uint8Array): void {
    this.outcome = syncOutcomeSchema.parse(JSON.parse(Buffer.from(outcome).toString()));
    const nodes = new Map(this.state.nodes);
    for (const [id, record] of staged.records) {
      nodes.set(id, { record, content: this.#finalContent(staged, id, record) });
    }
    const alive = reachable(staged.entries);
    for (const id of nodes.keys()) {
      if (alive.has(id)) continue;
      nodes.delete(id);
      this.#dead.add(id);
    }
    for (const entry of staged.entries.keys()) {
      const parent = Number(entry.slice(0, entry.indexOf('/')));
      if (parent !== SET_NODE && !alive.has(parent)) throw new Error('a name in a dead folder');
    }
    for (const [digest, bytes] of this.#later) this.#byDigest.set(digest, bytes);
    this.#later.clear();
    const folders = [...staged.entries.values()].filter(
      (node) => nodes.get(node)?.record.kind === 'folder',
    );
    if (new Set(folders).size !== folders.length) throw new Error('a folder with two names');
    this.state = { nodes, entries: staged.entries };
    this.lastManifest = this.#manifest.digest();
    this.lastSync = staged.sync;
    this.chain = nextChain(this.chain, this.lastManifest, staged.incarnation);
    this.point += 1;
    this.#staged = undefined;
  }

  #finalContent(staged: Staged, id: number, record: NodeRecord): Buffer {
    if (record.kind !== 'file') return Buffer.alloc(0);
    const blocks = staged.blocks.get(id);
    if (record.body === 'keep' && !this.state.nodes.has(id)) throw new Error('keep of a new node');
    const content = Buffer.alloc(record.size);
    for (let block = 0; block < blockCount(record.size); block += 1) {
      const length = blockLength(record.size, block);
      const said = blocks?.get(block);
      if (said === undefined && record.body === 'new') {
        throw new Error(`block ${block} of node ${id} is not mentioned`);
      }
      const bytes = said ?? this.#parentBlock(id, block);
      if (bytes.length < length) throw new Error(`block ${block} of node ${id} is too short`);
      if (said !== undefined || bytes.length === length)
        bytes.copy(content, block * BLOCK_BYTES, 0, length);
      else throw new Error(`block ${block} of node ${id} changed its length unsaid`);
    }
    return content;
  }

  /** As `listState` answers: everything in one page. */
  list(): Buffer {
    const writer = new ByteWriter();
    for (const [id, { record, content }] of this.state.nodes) {
      encodeRecord(writer, { ...record, node: id });
      for (let block = 0; block < blockCount(content.length); block += 1) {
        const bytes = content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
        if (this.#core.isZero(bytes))
          encodeRecord(writer, { type: 'zero', node: id, block, count: 1 });
        else {
          const digest = this.#core.digest(bytes);
          encodeRecord(writer, { type: 'copy', node: id, block, digest, length: bytes.length });
        }
      }
    }
    for (const [entry, node] of this.state.entries) {
      const slash = entry.indexOf('/');
      const name = Buffer.from(entry.slice(slash + 1), 'latin1');
      encodeRecord(writer, { type: 'link', parent: Number(entry.slice(0, slash)), name, node });
    }
    return writer.copy();
  }
}

function overlay(before: Buffer, record: Extract<ContentRecord, { type: 'pages' }>): Buffer {
  const bytes = Buffer.alloc(record.length);
  before.copy(bytes, 0, 0, Math.min(before.length, record.length));
  let from = 0;
  for (let page = 0; page < 16; page += 1) {
    if ((record.mask & (1 << page)) === 0) continue;
    const start = page * PAGE_BYTES;
    const length = Math.min(PAGE_BYTES, record.length - start);
    Buffer.from(record.bytes).copy(bytes, start, from, from + length);
    from += length;
  }
  return bytes;
}

function reachable(entries: ReadonlyMap<string, number>): Set<number> {
  const children = new Map<number, number[]>();
  for (const [entry, node] of entries) {
    const parent = Number(entry.slice(0, entry.indexOf('/')));
    children.set(parent, [...(children.get(parent) ?? []), node]);
  }
  const alive = new Set<number>();
  const stack = [...(children.get(SET_NODE) ?? [])];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (alive.has(node)) continue;
    alive.add(node);
    stack.push(...(children.get(node) ?? []));
  }
  return alive;
}

function entryKey(parent: number, name: Uint8Array): string {
  return `${parent}/${Buffer.from(name).toString('latin1')}`;
}

function key(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
