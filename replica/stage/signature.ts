/** Content-defined chunks of a stored file, so that the agent can find its old content in a rewritten one. */
import { AfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { readFully } from '../history/read-block.js';

export interface ChunkRequest {
  readonly minBytes: number;
  readonly averageBytes: number;
  readonly maxBytes: number;
}

const CHUNK_ROW_BYTES = 12;
const SIGNATURE_BYTES_MAX = 768 * 1024;

/** For each chunk its length (u32) and the first 8 bytes of its digest. `size` in bytes. */
export async function signatureOf(
  core: HashCore,
  file: { readonly fd: number; readonly size: number },
  sizes: ChunkRequest,
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

function checkSizes(sizes: ChunkRequest, batchBytes: number): void {
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
