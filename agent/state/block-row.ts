/**
 * A digest row: digests and page fingerprints of up to 16 blocks (1 MiB of a file), at most 2,561 bytes. Layout: the
 * number of blocks (u8), 32 bytes of digest for each, 128 bytes of fingerprints for each, without
 * the zeros at the end. A digest of 32 zeros is a zero block, one of 32 × 0xff a block whose content
 * must be sent whole.
 */
import { DIGEST_BYTES, FINGERPRINT_BYTES, PAGES_PER_BLOCK } from '../../shared/limits.js';

export const ROW_BLOCKS = 16;
const PAGES_BYTES = FINGERPRINT_BYTES * PAGES_PER_BLOCK;
const zeroDigestMark = Buffer.alloc(DIGEST_BYTES);
const forgottenMark = Buffer.alloc(DIGEST_BYTES, 0xff);

export type BlockState = 'zero' | 'forgotten' | 'known';

/** One row in memory, all 16 places; places past `count` are zero blocks. */
export class BlockRow {
  readonly #digests = Buffer.alloc(ROW_BLOCKS * DIGEST_BYTES);
  readonly #pages = Buffer.alloc(ROW_BLOCKS * PAGES_BYTES);
  #count = 0;

  /** Takes the content of an encoded row; undefined is a row of zero blocks. */
  load(bytes: Buffer | undefined): void {
    this.clear();
    if (bytes === undefined) return;
    this.#count = bytes[0] ?? 0;
    const digestsEnd = 1 + this.#count * DIGEST_BYTES;
    bytes.copy(this.#digests, 0, 1, digestsEnd);
    bytes.copy(this.#pages, 0, digestsEnd);
  }

  clear(): void {
    this.#digests.fill(0, 0, this.#count * DIGEST_BYTES);
    this.#pages.fill(0, 0, this.#count * PAGES_BYTES);
    this.#count = 0;
  }

  /** Undefined when every block is zero: such a row is not stored. */
  encode(): Buffer | undefined {
    let count = this.#count;
    while (count > 0 && this.state(count - 1) === 'zero') count -= 1;
    if (count === 0) return undefined;
    let pages = count * PAGES_BYTES;
    while (pages > 0 && this.#pages[pages - 1] === 0) pages -= 1;
    const bytes = Buffer.allocUnsafe(1 + count * DIGEST_BYTES + pages);
    bytes[0] = count;
    this.#digests.copy(bytes, 1, 0, count * DIGEST_BYTES);
    this.#pages.copy(bytes, 1 + count * DIGEST_BYTES, 0, pages);
    return bytes;
  }

  state(index: number): BlockState {
    if (index >= this.#count) return 'zero';
    const at = index * DIGEST_BYTES;
    const first = this.#digests[at];
    if (first === 0 && this.#same(at, zeroDigestMark)) return 'zero';
    if (first === 0xff && this.#same(at, forgottenMark)) return 'forgotten';
    return 'known';
  }

  digest(index: number): Buffer {
    return this.#digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  }

  fingerprints(index: number): Buffer {
    return this.#pages.subarray(index * PAGES_BYTES, (index + 1) * PAGES_BYTES);
  }

  /** Digest and fingerprints at `from` of a run of them; false when the digest was that already. */
  set(index: number, run: { digests: Buffer; fingerprints: Buffer; from: number }): boolean {
    const at = index * DIGEST_BYTES;
    const source = run.from * DIGEST_BYTES;
    const known =
      this.#digests.compare(run.digests, source, source + DIGEST_BYTES, at, at + DIGEST_BYTES) ===
      0;
    if (known) return false;
    run.digests.copy(this.#digests, at, source, source + DIGEST_BYTES);
    const pages = run.from * PAGES_BYTES;
    run.fingerprints.copy(this.#pages, index * PAGES_BYTES, pages, pages + PAGES_BYTES);
    this.#count = Math.max(this.#count, index + 1);
    return true;
  }

  setZero(index: number): void {
    this.#fill(index, 0);
  }

  forget(index: number): void {
    this.#fill(index, 0xff);
    this.#count = Math.max(this.#count, index + 1);
  }

  #fill(index: number, byte: number): void {
    this.#digests.fill(byte, index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    this.#pages.fill(0, index * PAGES_BYTES, (index + 1) * PAGES_BYTES);
  }

  #same(at: number, mark: Buffer): boolean {
    return this.#digests.compare(mark, 0, DIGEST_BYTES, at, at + DIGEST_BYTES) === 0;
  }
}

/** The digest at a place of an encoded row, for checking a hint; undefined when there is none. */
export function digestInRow(bytes: Buffer, index: number): Buffer | undefined {
  if (index >= (bytes[0] ?? 0)) return undefined;
  return bytes.subarray(1 + index * DIGEST_BYTES, 1 + (index + 1) * DIGEST_BYTES);
}

/** Calls `visit` for each digest of an encoded row that is neither zero nor forgotten. */
export function eachDigest(bytes: Buffer, visit: (digest: Buffer, index: number) => void): void {
  const count = bytes[0] ?? 0;
  for (let index = 0; index < count; index += 1) {
    const digest = digestInRow(bytes, index);
    if (digest === undefined || digest.equals(zeroDigestMark) || digest.equals(forgottenMark)) {
      continue;
    }
    visit(digest, index);
  }
}
