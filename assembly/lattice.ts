/**
 * The lanes of a set hash (LtHash16: 1,024 lanes of 16 bits): each element's 32-byte digest is expanded
 * by BLAKE3's extended output to 2,048 bytes, whose little-endian 16-bit words are added to the lanes,
 * or taken from them, modulo 2^16.
 *
 * Lewi, Kim, Maykov, Weis: "Securing Update Propagation with Homomorphic Hashing", 2019 (ePrint
 * 2019/227), after Bellare and Micciancio, 1997. An instance of its own: the lanes are a state.
 */
import { CHUNK_END, CHUNK_START, ROOT } from './blake3';
import { add4, subtract4 } from './out/expand';

const LANE_BYTES: u32 = 2048;
/** Output blocks of 64 bytes that are made side by side. */
const WIDTH: u32 = 4;
const GROUP_BYTES: u32 = WIDTH * 64;
const GROUPS: u32 = LANE_BYTES / GROUP_BYTES;
const FLAGS: u32 = CHUNK_START | CHUNK_END | ROOT;

/** Digest of an element. */
export const element: usize = memory.data(32, 64);
/** The lanes as they are stored elsewhere: the words of the expanded output in order. */
export const stored: usize = memory.data(2048, 64);
/** The same in the order in which the vectors hold them: by group, word, then output block. */
const LANES: usize = memory.data(2048, 64);

export function add(): void {
  for (let group: u32 = 0; group < GROUPS; ++group) {
    add4(element, group * WIDTH, FLAGS, LANES + group * GROUP_BYTES);
  }
}

export function subtract(): void {
  for (let group: u32 = 0; group < GROUPS; ++group) {
    subtract4(element, group * WIDTH, FLAGS, LANES + group * GROUP_BYTES);
  }
}

/** Place in LANES of a word of 32 bits (two lanes) of the stored form. */
// @ts-ignore: decorator
@inline
function placeOf(word: u32): usize {
  const block = word >> 4;
  const group = block / WIDTH;
  return LANES + group * GROUP_BYTES + (word & 15) * 16 + (block % WIDTH) * 4;
}

/** Takes the lanes over from `stored`. */
export function restore(): void {
  for (let word: u32 = 0; word < LANE_BYTES / 4; ++word) {
    store<u32>(placeOf(word), load<u32>(stored + 4 * word));
  }
}

/** Leaves the lanes at `stored`. */
export function save(): void {
  for (let word: u32 = 0; word < LANE_BYTES / 4; ++word) {
    store<u32>(stored + 4 * word, load<u32>(placeOf(word)));
  }
}
