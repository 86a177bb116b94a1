/** Records and frames as an agent would make them of a model's change. */
import { ByteWriter } from '../../../shared/protocol/bytes.js';
import { encodeRecord, type SyncRecord } from '../../../shared/protocol/records.js';

/** The pages in which a block differs from what it was. */
export function pagesRecord(at: {
  node: number;
  block: number;
  digest: Buffer;
  bytes: Buffer;
  old: Buffer;
}): SyncRecord {
  let mask = 0;
  const parts: Buffer[] = [];
  for (let page = 0; page * 4096 < at.bytes.length; page += 1) {
    const piece = at.bytes.subarray(page * 4096, page * 4096 + 4096);
    if (piece.equals(at.old.subarray(page * 4096, page * 4096 + 4096))) continue;
    mask |= 1 << page;
    parts.push(piece);
  }
  return {
    type: 'pages',
    node: at.node,
    block: at.block,
    digest: at.digest,
    length: at.bytes.length,
    mask,
    bytes: Buffer.concat(parts),
  };
}

/** Frames of a few records each. */
export function toFrames(records: readonly SyncRecord[]): Buffer[] {
  const frames: Buffer[] = [];
  const writer = new ByteWriter();
  for (const record of records) {
    encodeRecord(writer, record);
    if (writer.length > 200_000) {
      frames.push(writer.copy());
      writer.reset();
    }
  }
  if (writer.length > 0) frames.push(writer.copy());
  return frames;
}
