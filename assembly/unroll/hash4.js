/**
 * Four inputs side by side, one in each lane, all rounds in registers as far as they reach. As fast as
 * BLAKE3's own SSE4.1 assembly; used where fewer than eight inputs are at hand.
 */
import {
  COLUMNS,
  DIAGONALS,
  lines,
  loadMessages,
  mix,
  range,
  schedules,
  storeValues,
} from './rounds.js';

const state = (index) => `v${index}`;
const pairs = (words) => range(4).map((g) => [`m${words[2 * g]}`, `m${words[2 * g + 1]}`]);

export function hash4() {
  const rounds = schedules().flatMap((words) => [
    ...mix(
      COLUMNS.map((quad) => quad.map(state)),
      pairs(words.slice(0, 8)),
    ),
    ...mix(
      DIAGONALS.map((quad) => quad.map(state)),
      pairs(words.slice(8)),
    ),
  ]);
  return `
/**
 * Four inputs of \`blocks\` whole 64-byte blocks side by side → four chaining values at \`out\`. Lane
 * \`tailLane\` may end before the others, after \`tailBlocks\` blocks of which the last holds
 * \`tailLength\` bytes and zeros; what it reads after that does not matter. 0 blocks: no such lane.
 */
export function hash4(
  p0: usize, p1: usize, p2: usize, p3: usize, blocks: u32, key: usize,
  counter: u64, counterStep: u32, flags: u32, flagsFirst: u32, flagsLast: u32,
  tailLane: u32, tailBlocks: u32, tailLength: u32, out: usize,
): void {
  const by16 = maskOf16();
  const by8 = maskOf8();
  const steps = i32x4.mul(i32x4.splat(counterStep), i32x4(0, 1, 2, 3));
  const counterLow = add(i32x4.splat(<i32>counter), steps);
  const isTail = i32x4.eq(i32x4.splat(tailLane), i32x4(0, 1, 2, 3));
  const tailEnd = tailBlocks == 0 ? 0 : blocks - tailBlocks + 1;
  const counterHigh = i32x4.splat(<i32>(counter >> 32));
  ${lines(range(8).map((i) => `let v${i} = v128.load32_splat(key, ${4 * i});`))}
  let blockFlags = flags | flagsFirst;
  for (let left = blocks; left > 0; --left) {
    if (left == 1) blockFlags |= flagsLast;
    ${lines(loadMessages(['p0', 'p1', 'p2', 'p3'], 'i', (word, text) => `const m${word} = ${text};`))}
    let v8 = i32x4.splat(IV0), v9 = i32x4.splat(IV1), v10 = i32x4.splat(IV2), v11 = i32x4.splat(IV3);
    let v12 = counterLow, v13 = counterHigh, v14 = i32x4.splat(64), v15 = i32x4.splat(blockFlags);
    if (left == tailEnd) {
      v14 = v128.bitselect(i32x4.splat(tailLength), v14, isTail);
      v15 = v128.or(v15, v128.and(isTail, i32x4.splat(flagsLast)));
    }
    ${lines(rounds)}
    ${lines(range(8).map((i) => `v${i} = xor(v${i}, v${i + 8});`))}
    if (left == tailEnd) {
      ${lines(range(8).map((i) => `v128.store(STREAMS, v${i}, ${16 * i});`))}
    }
    blockFlags = flags;
    p0 += 64; p1 += 64; p2 += 64; p3 += 64;
  }
  ${lines(storeValues(range(8).map(state), 0))}
  if (tailEnd == 0) return;
  for (let i: u32 = 0; i < 8; ++i) {
    store<u32>(out + 32 * tailLane + 4 * i, load<u32>(STREAMS + 16 * i + 4 * tailLane));
  }
}`;
}
