/** One state with its four rows in four vectors: for single parents and short chunks. */
import { lines, mix, range, schedules } from './rounds.js';

/** Four message words gathered into one vector. */
function gather(words) {
  const [first, ...rest] = words;
  return rest.reduce(
    (inner, word, index) => `v128.load32_lane(block, ${inner}, ${index + 1}, ${4 * word})`,
    `v128.load32_zero(block, ${4 * first})`,
  );
}

function halfRound(words) {
  const pick = (odd) => gather(range(4).map((g) => words[2 * g + odd]));
  return mix([['r0', 'r1', 'r2', 'r3']], [[pick(0), pick(1)]]);
}

const turn = (row, by) => {
  const lanes = range(4).map((lane) => (lane + by) % 4);
  return `r${row} = i32x4.shuffle(r${row}, r${row}, ${lanes.join(', ')});`;
};

export function compress1() {
  const rounds = schedules().flatMap((words) => [
    ...halfRound(words.slice(0, 8)),
    ...[1, 2, 3].map((row) => turn(row, row)),
    ...halfRound(words.slice(8)),
    ...[1, 2, 3].map((row) => turn(row, 4 - row)),
  ]);
  return `
/** One 64-byte block (zeros past \`length\`) under chaining value \`value\` → 32 bytes at \`out\`. */
export function compress1(
  value: usize, block: usize, length: u32, counter: u64, flags: u32, out: usize,
): void {
  const by16 = maskOf16();
  const by8 = maskOf8();
  let r0 = v128.load(value);
  let r1 = v128.load(value, 16);
  let r2 = i32x4(IV0, IV1, IV2, IV3);
  let r3 = i32x4.replace_lane(i32x4.replace_lane(i64x2.splat(counter), 2, length), 3, flags);
  ${lines(rounds)}
  v128.store(out, xor(r0, r2));
  v128.store(out, xor(r1, r3), 16);
}`;
}
