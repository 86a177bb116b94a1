/**
 * Stages what a sync says of nodes and names: a row for each in the intent. What it says of one node
 * must fit what was said before, and the point that the sync applies to (R1).
 */
import {
  bodyWords,
  encodeXattrs,
  nodeKinds,
  type NodeRecord,
  SET_NODE,
} from '../../shared/protocol/records.js';
import { FILE_BYTES_MAX } from '../../shared/limits.js';
import type { IndexDb } from '../index/index-db.js';
import { nodeAt, nodeEver, type NodeRow, splitMtime } from '../index/nodes.js';
import { refused, type StagedNode } from './staged-content.js';
import type { StagedRows } from './staged-rows.js';

export interface StagedNodesDeps {
  readonly intent: IndexDb;
  readonly rows: StagedRows;
  readonly index: IndexDb;
  /** The newest point, which stays so while the sync is under way. */
  readonly parentPoint: number;
}

export class StagedNodes {
  readonly #deps: StagedNodesDeps;
  /** Beyond these numbers, neither the index nor the intent has a row: new nodes need no look. */
  readonly #newestKnown: number;
  #newestStaged: number;
  /** The one that was spoken of last. */
  #node: StagedNode | undefined;

  constructor(deps: StagedNodesDeps) {
    this.#deps = deps;
    this.#newestKnown = newestNode(deps.index);
    this.#newestStaged = newestNode(deps.intent);
  }

  /** Throws `record-refused`. */
  take(record: NodeRecord): void {
    if (record.node <= SET_NODE) throw refused(`node number ${record.node} is reserved`);
    if (record.size > FILE_BYTES_MAX) throw refused(`a file of ${record.size} bytes is too large`);
    const live = this.#live(record);
    if (live !== undefined && nodeKinds[live.kind] !== record.kind) {
      throw refused(`node ${record.node} cannot become a ${record.kind}`);
    }
    if (live === undefined && record.body === 'keep')
      throw refused(`new node ${record.node} has no body to keep`);
    const untouched = record.node > this.#newestStaged;
    const bodyWord = untouched ? record.body : this.#bodyWord(record);
    this.#newestStaged = Math.max(this.#newestStaged, record.node);
    const { seconds, nanoseconds } = splitMtime(record.mtimeNs);
    this.#deps.rows.node.add(
      record.node,
      live === undefined ? 1 : 0,
      nodeKinds.indexOf(record.kind),
      record.mode,
      record.uid,
      record.gid,
      record.kind === 'file' ? record.size : 0,
      seconds,
      nanoseconds,
      record.rdev,
      record.kind === 'symlink' ? record.target : null,
      record.xattrs.length === 0 ? null : encodeXattrs(record.xattrs),
      bodyWords.indexOf(bodyWord),
    );
    this.#node = { id: record.node, size: record.size, bodyWord, untouched };
  }

  #live({ node }: NodeRecord): NodeRow | undefined {
    if (node > this.#newestKnown) return undefined;
    const { index, parentPoint } = this.#deps;
    const live = nodeAt(index, node, parentPoint);
    if (live === undefined && nodeEver(index, node)) {
      throw refused(`node ${node} is dead and cannot return`);
    }
    return live;
  }

  /** The last word on a name; node 0: removed. Throws `record-refused`. */
  takeEntry(parent: number, name: Uint8Array, node: number): void {
    if (parent < SET_NODE) throw refused(`folder number ${parent} is reserved`);
    if (node === SET_NODE) throw refused('the set itself cannot be given a name');
    this.#deps.rows.entry.add(parent, name, node);
  }

  /** The node that content is for. Throws `record-refused` when nothing was said of it yet. */
  staged(node: number): StagedNode {
    if (this.#node?.id === node) return this.#node;
    this.#deps.rows.flush();
    const row = this.#deps.intent.get<{ size: number; body_word: number }>(
      'SELECT size, body_word FROM node WHERE id = ?',
      node,
    );
    const bodyWord = row === undefined ? undefined : bodyWords[row.body_word];
    if (row === undefined || bodyWord === undefined) {
      throw refused(`content of node ${node} comes before its node record`);
    }
    this.#node = { id: node, size: row.size, bodyWord, untouched: false };
    return this.#node;
  }

  /** A body once begun anew in this sync stays new; turning a patched one into a new one is refused. */
  #bodyWord(record: NodeRecord): NodeRecord['body'] {
    const { intent, rows } = this.#deps;
    rows.flush();
    const staged = intent.get<{ body_word: number }>(
      'SELECT body_word FROM node WHERE id = ?',
      record.node,
    );
    const before = staged === undefined ? undefined : bodyWords[staged.body_word];
    if (before === undefined || before === record.body) return record.body;
    if (before === 'new' && record.body === 'keep') return 'new';
    const blocks = intent.get('SELECT 1 FROM block WHERE node = ? LIMIT 1', record.node);
    if (blocks === undefined) return record.body;
    throw refused(
      `node ${record.node} changes its body from ${before} to ${record.body} within a sync`,
    );
  }
}

/** The highest number of a node in a database; 0 when it has none. */
function newestNode(db: IndexDb): number {
  return db.get<{ id: number | null }>('SELECT max(id) AS id FROM node')?.id ?? 0;
}
