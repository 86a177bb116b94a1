/**
 * Says what the blocks of one file are: runs of zero and unchanged blocks as one record, changed
 * pages where they are fewer than the block's, else the block through dedup.
 */
import type { SpliceSegment, SyncRecord } from '../../shared/protocol/records.js';
import type { BlockOutlet } from '../dedup/block-outlet.js';
import type { DedupIndex } from '../dedup/dedup-index.js';
import { gatherPages } from './pages.js';
import type { RecordOutlet } from './record-outlet.js';

export interface EmittedBlock {
  readonly block: number;
  readonly digest: Buffer;
  readonly bytes: Buffer;
  /** The index knew the digest before the block's row was written. */
  readonly known: boolean;
  readonly locator: number | undefined;
  /** Pages that differ from what the replica has; undefined when all of the block is new. */
  readonly pages: number | undefined;
}

/** What a file's blocks are looked up in, and where their records go. */
export interface ContentSink {
  readonly outlet: RecordOutlet;
  readonly blocks: BlockOutlet;
  readonly index: DedupIndex;
}

type RunType = 'zero' | 'same';

export class ContentEmitter {
  readonly #node: number;
  readonly #sink: ContentSink;
  #run: { type: RunType; block: number; count: number } | undefined;

  constructor(node: number, sink: ContentSink) {
    this.#node = node;
    this.#sink = sink;
  }

  /** Blocks that are zero, or the same as in the parent point. */
  run(type: RunType, block: number, count = 1): Promise<void> | undefined {
    const run = this.#run;
    if (run?.type === type && run.block + run.count === block) {
      run.count += count;
      return undefined;
    }
    const wait = this.flush();
    this.#run = { type, block, count };
    return wait;
  }

  /** Writes a run that is still open. */
  flush(): Promise<void> | undefined {
    const run = this.#run;
    if (run === undefined) return undefined;
    this.#run = undefined;
    const { type, block, count } = run;
    return this.#sink.outlet.put({ type, node: this.#node, block, count });
  }

  block(emitted: EmittedBlock): Promise<void> | undefined {
    const { block, digest, bytes, pages, locator } = emitted;
    const offered = { node: this.#node, block, digest, bytes, locator };
    if (emitted.known) return this.#sink.blocks.copy(offered, bytes.length);
    if (pages === undefined) return this.#sink.blocks.offer(offered);
    // Until the sync is committed the replica has only these pages, not a block to copy from.
    return this.#afterRun({
      type: 'pages',
      node: this.#node,
      block,
      digest,
      length: bytes.length,
      mask: pages,
      bytes: gatherPages(bytes, pages),
    });
  }

  /** A block put together from stretches of a file of the parent point and literal bytes. */
  splice(spliced: {
    readonly block: number;
    readonly digest: Buffer;
    readonly bytes: Buffer;
    readonly locator: number | undefined;
    readonly source: number;
    readonly segments: readonly SpliceSegment[];
  }): Promise<void> | undefined {
    const { block, digest, bytes, locator, source, segments } = spliced;
    this.#sink.index.add(digest, locator);
    const length = bytes.length;
    const node = this.#node;
    return this.#afterRun({ type: 'splice', node, block, digest, length, source, segments });
  }

  /** What lies on top of an open run must come after it. */
  #afterRun(record: SyncRecord): Promise<void> | undefined {
    const wait = this.flush();
    const next = this.#sink.outlet.put(record);
    return wait === undefined ? next : Promise.all([wait, next]).then(() => undefined);
  }
}
