/**
 * Finds the stretches of a rewritten file that its old version on the replica has at other offsets:
 * both sides cut the content at content-defined boundaries and compare the pieces' names, so that
 * a hundred bytes inserted in front do not send the file again.
 */
import type { ChunkSizes, HashCore } from '../../shared/hash/hash-core.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import type { SpliceSegment } from '../../shared/protocol/records.js';
import type { SetSession } from '../ship/session.js';
import { readFully } from './block-reader.js';

/** Files outside these bounds are not matched: too little to save, or too long a signature. */
export const SPLICE_BYTES_MIN = 128 * 1024;
export const SPLICE_BYTES_MAX = 256 * 1024 * 1024;

const AVERAGE_BYTES_MIN = 8 * 1024;
/** Keeps the signature, 12 bytes a chunk, below 256 KiB. */
const CHUNKS_MAX = 16_384;
const NAME_BYTES = 8;
const SIGNATURE_ENTRY_BYTES = 4 + NAME_BYTES;
/** A block of which less is found goes whole. */
const WORTH_BYTES = 1_024;

/** Chunk sizes for an old version of this size, the same on both sides. */
export function chunkSizes(oldBytes: number): ChunkSizes {
  let averageBytes = AVERAGE_BYTES_MIN;
  while (averageBytes * CHUNKS_MAX < oldBytes) averageBytes *= 2;
  return { minBytes: averageBytes / 4, averageBytes, maxBytes: averageBytes * 4 };
}

interface Stretch {
  readonly start: number;
  end: number;
  readonly oldStart: number;
}

export class SpliceMatcher {
  /** The node of the parent point whose content is matched. */
  readonly source: number;
  readonly #stretches: readonly Stretch[];

  private constructor(source: number, stretches: readonly Stretch[]) {
    this.source = source;
    this.#stretches = stretches;
  }

  /** Undefined when the replica has nothing that matches. Rejects as `signature` does. */
  static async build(request: {
    readonly session: Pick<SetSession, 'signature'>;
    readonly core: HashCore;
    readonly source: { readonly node: number; readonly size: number };
    readonly fd: number;
    readonly size: number;
  }): Promise<SpliceMatcher | undefined> {
    const sizes = chunkSizes(request.source.size);
    const { node } = request.source;
    const signature = await request.session.signature({ node, ...sizes });
    const old = readSignature(signature);
    if (old.size === 0) return undefined;
    const stretches = matchFile(request, sizes, old);
    return stretches.length === 0 ? undefined : new SpliceMatcher(node, stretches);
  }

  /** A block as stretches of the old version and literal bytes; undefined when it does not pay. */
  segments(block: number, bytes: Buffer): SpliceSegment[] | undefined {
    const start = block * BLOCK_BYTES;
    const end = start + bytes.length;
    const segments: SpliceSegment[] = [];
    let at = start;
    let found = 0;
    for (let index = this.#firstAfter(start); index < this.#stretches.length; index += 1) {
      const stretch = this.#stretches[index];
      if (stretch === undefined || stretch.start >= end) break;
      const from = Math.max(stretch.start, start);
      const until = Math.min(stretch.end, end);
      if (from > at) segments.push(literal(bytes, at - start, from - start));
      const offset = stretch.oldStart + (from - stretch.start);
      segments.push({ type: 'old', offset, length: until - from });
      found += until - from;
      at = until;
    }
    if (found < WORTH_BYTES) return undefined;
    if (at < end) segments.push(literal(bytes, at - start, bytes.length));
    return segments;
  }

  /** Index of the first stretch that ends after `offset`. */
  #firstAfter(offset: number): number {
    let low = 0;
    let high = this.#stretches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#stretches[middle]?.end ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function literal(bytes: Buffer, from: number, until: number): SpliceSegment {
  return { type: 'literal', bytes: bytes.subarray(from, until) };
}

interface OldChunk {
  readonly offset: number;
  readonly length: number;
}

function readSignature(signature: Uint8Array): Map<string, OldChunk> {
  const bytes = Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength);
  const chunks = new Map<string, OldChunk>();
  let offset = 0;
  for (let at = 0; at + SIGNATURE_ENTRY_BYTES <= bytes.length; at += SIGNATURE_ENTRY_BYTES) {
    const length = bytes.readUInt32LE(at);
    chunks.set(bytes.toString('latin1', at + 4, at + SIGNATURE_ENTRY_BYTES), { offset, length });
    offset += length;
  }
  return chunks;
}

/** Cuts the new file and looks every chunk up; neighbours in both versions become one stretch. */
function matchFile(
  file: { readonly core: HashCore; readonly fd: number; readonly size: number },
  sizes: ChunkSizes,
  old: ReadonlyMap<string, OldChunk>,
): Stretch[] {
  const { core, fd, size } = file;
  const stretches: Stretch[] = [];
  const batch = core.batchBuffer();
  let offset = 0;
  while (offset < size) {
    const length = readFully(fd, batch, {
      offset,
      length: Math.min(core.batchBytes, size - offset),
    });
    const bytes = batch.subarray(0, length);
    const final = length < core.batchBytes || offset + length >= size;
    let start = 0;
    for (const end of core.boundaries(bytes, sizes, final)) {
      const name = core.digest(bytes.subarray(start, end)).toString('latin1', 0, NAME_BYTES);
      const chunk = old.get(name);
      if (chunk?.length === end - start) {
        addStretch(stretches, { start: offset + start, end: offset + end, oldStart: chunk.offset });
      }
      start = end;
    }
    if (start === 0) break;
    offset += start;
  }
  return stretches;
}

function addStretch(stretches: Stretch[], next: Stretch): void {
  const last = stretches.at(-1);
  if (last?.end === next.start && last.oldStart + (last.end - last.start) === next.oldStart) {
    last.end = next.end;
  } else {
    stretches.push(next);
  }
}
