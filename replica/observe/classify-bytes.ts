/**
 * Tells what encryption makes of bytes from what people and programs write, by a look at some of
 * them. Random bytes have no favourite: Pearson's chi-square against equal counts is 255 ± 23 for
 * them whatever their number, some thousands for a page of text, and above 400 for 64 KiB of what
 * most compressors write (measured: docs/design/mass-change.md).
 */
import { knownHeader, type KnownHeader } from './known-headers.js';

/** `random`: nothing can be told from it. `partly`: much of it is. `few`: too few bytes to tell. */
export type ByteClass = 'random' | 'partly' | 'readable' | 'few';

export interface Classified {
  readonly bytes: ByteClass;
  /** Looked for when `start` says that the bytes begin a file. */
  readonly header: KnownHeader | undefined;
  /** Shannon's, of single bytes: 0 to 8. */
  readonly entropyBits: number;
}

export const SAMPLE_BYTES_MIN = 32;
/** Mean 255 and deviation √510 for random bytes: four deviations, as many as 1 in 30,000 exceed. */
const RANDOM_CHI_MAX = 255 + 4 * Math.sqrt(510);
const PRINTABLE_SHARE_TEXT = 0.85;
/** The same for the 64 letters of base64. */
const ENCODED_CHI_MAX = 63 + 5 * Math.sqrt(126);
const ENCODED_BYTES_MIN = 256;
/** Striped encryption leaves at most this of what there was. */
const PARTLY_BITS_MIN = 6.4;

const counts = new Uint32Array(256);

/** What bytes look like. Costs about 1 µs a KiB. */
export function classifyBytes(
  bytes: Uint8Array,
  { start }: { readonly start: boolean },
): Classified {
  counts.fill(0);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  const total = bytes.length;
  const entropyBits = entropyOf(total);
  const header = start ? knownHeader(bytes) : undefined;
  return {
    bytes: total < SAMPLE_BYTES_MIN ? 'few' : classOf(total, entropyBits),
    header,
    entropyBits,
  };
}

/** Pearson's statistic of the bytes against equal counts; what the thresholds are about. */
export function chiSquareOf(bytes: Uint8Array): number {
  counts.fill(0);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  return chiSquare(bytes.length, 0, 256);
}

function classOf(total: number, entropyBits: number): ByteClass {
  const printable = sumOf(0x20, 0x7f) + count(0x09) + count(0x0a) + count(0x0d);
  if (printable >= total * PRINTABLE_SHARE_TEXT) return isEncoded(total) ? 'random' : 'readable';
  if (chiSquare(total, 0, 256) <= RANDOM_CHI_MAX) return 'random';
  return entropyBits >= PARTLY_BITS_MIN && total >= 512 ? 'partly' : 'readable';
}

/** Random bytes in base64: its letters alone, none a favourite, and no line of another length. */
function isEncoded(total: number): boolean {
  if (total < ENCODED_BYTES_MIN) return false;
  const breaks = count(0x0a) + count(0x0d) + count(0x3d);
  const marks = [0x2b, 0x2f, 0x2d, 0x5f];
  const letters = sumOf(0x30, 0x3a) + sumOf(0x41, 0x5b) + sumOf(0x61, 0x7b);
  const inAlphabet = letters + marks.reduce((sum, byte) => sum + count(byte), 0);
  if (inAlphabet + breaks !== total || breaks > total / 16) return false;
  const expected = inAlphabet / 64;
  let chi = 0;
  for (const [from, to] of [
    [0x30, 0x3a],
    [0x41, 0x5b],
    [0x61, 0x7b],
  ] as const) {
    for (let byte = from; byte < to; byte += 1) chi += (count(byte) - expected) ** 2 / expected;
  }
  const plain = count(0x2b) + count(0x2f);
  const forUrls = count(0x2d) + count(0x5f);
  const [first, second] = plain >= forUrls ? [0x2b, 0x2f] : [0x2d, 0x5f];
  for (const byte of [first, second]) chi += (count(byte) - expected) ** 2 / expected;
  return chi <= ENCODED_CHI_MAX;
}

function chiSquare(total: number, from: number, to: number): number {
  const expected = total / (to - from);
  let chi = 0;
  for (let byte = from; byte < to; byte += 1) chi += (count(byte) - expected) ** 2;
  return expected === 0 ? 0 : chi / expected;
}

function entropyOf(total: number): number {
  let bits = 0;
  for (let byte = 0; byte < 256; byte += 1) {
    const share = count(byte) / total;
    if (share > 0) bits -= share * Math.log2(share);
  }
  return bits;
}

function count(byte: number): number {
  return counts[byte] ?? 0;
}

function sumOf(from: number, to: number): number {
  let sum = 0;
  for (let byte = from; byte < to; byte += 1) sum += count(byte);
  return sum;
}
