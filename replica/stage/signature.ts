/** Content-defined chunks of a stored file, so that the agent can find its old content in a rewritten one. */
import fs from 'node:fs';
import { AfterimageError } from '../../shared/errors.js';
import type { ChunkSizes, HashCore } from '../../shared/hash/hash-core.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { readFully } from '../history/read-block.js';
import type { SetStore } from '../history/set-store.js';
import { newestPoint, nodeAt } from '../index/nodes.js';
import type { SignatureRequest } from '../receive/set-port.js';

const CHUNK_ROW_BYTES = 12;
const SIGNATURE_BYTES_MAX = 768 * 1024;

/** The signature of a file of the newest point; empty when there is no such file. */
export async function signatureOfNode(store: SetStore, request: SignatureRequest): Promise<Buffer> {
  const { index, source } = store;
  const node = nodeAt(index, request.node, newestPoint(index));
  if (node?.body == null) return Buffer.alloc(0);
  // A descriptor of our own: the shared one may be closed while this waits.
  const fd = fs.openSync(`/proc/self/fd/${source.bodies.open(node.body)}`, 'r');
  try {
    return await signatureOf(source.core, { fd, size: node.size }, request);
  } finally {
    fs.closeSync(fd);
  }
}

/** For each chunk its length (u32) and the first 8 bytes of its digest. `size` in bytes. */
async function signatureOf(
  core: HashCore,
  file: { readonly fd: number; readonly size: number },
  sizes: ChunkSizes,
): Promise<Buffer> {
  checkSizes(sizes, core.batchBytes);
  const slice = new TimeSlice();
  const rows: Buffer[] = [];
  const buffer = Buffer.allocUnsafe(core.batchBytes);
  let offset = 0;
  while (offset < file.size) {
    const length = readFully(
      file.fd,
      buffer.subarray(0, Math.min(buffer.length, file.size - offset)),
      offset,
    );
    if (length === 0) break;
    const window = buffer.subarray(0, length);
    let start = 0;
    for (const end of core.boundaries(window, sizes, offset + length >= file.size)) {
      rows.push(chunkRow(core, window.subarray(start, end)));
      start = end;
    }
    if (start === 0) break;
    offset += start;
    if (rows.length * CHUNK_ROW_BYTES > SIGNATURE_BYTES_MAX) return Buffer.alloc(0);
    await slice.breathe();
  }
  return Buffer.concat(rows);
}

function chunkRow(core: HashCore, chunk: Buffer): Buffer {
  const row = Buffer.alloc(CHUNK_ROW_BYTES);
  row.writeUInt32LE(chunk.length, 0);
  core.digest(chunk).copy(row, 4, 0, 8);
  return row;
}

function checkSizes(sizes: ChunkSizes, batchBytes: number): void {
  const { minBytes, averageBytes, maxBytes } = sizes;
  if (!(
    minBytes >= 64 &&
    minBytes <= averageBytes &&
    averageBytes <= maxBytes &&
    maxBytes * 2 <= batchBytes
  )) {
    throw new AfterimageError(
      'record-refused',
      `chunk sizes ${minBytes}/${averageBytes}/${maxBytes} are out of bounds`,
    );
  }
}
