/** As much of SQLite's write-ahead log as it takes to lose some of it (sqlite.org/fileformat2.html). */

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const PAGE = 4096;

/** Names the run of frames that the log holds; a new run overwrites the old one from the start. */
export function logSalt(log: Buffer): string {
  return log.subarray(16, 24).toString('hex');
}

/** Where the last frame of the run ends; older frames may follow. */
export function logEnd(log: Buffer): number {
  if (log.length < HEADER_BYTES) return 0;
  const frame = FRAME_HEADER_BYTES + log.readUInt32BE(8);
  const salt = logSalt(log);
  let end = HEADER_BYTES;
  while (end + frame <= log.length && log.subarray(end + 8, end + 16).toString('hex') === salt)
    end += frame;
  return end;
}

/** The log without those of its pages behind `from` that are not kept. */
export function loseLogPages(log: Buffer, from: number, keepsPage: () => boolean): Buffer {
  const left = Buffer.from(log);
  for (let start = from; start < left.length;) {
    const end = Math.min(left.length, (Math.floor(start / PAGE) + 1) * PAGE);
    if (!keepsPage()) left.fill(0, start, end);
    start = end;
  }
  return left;
}
