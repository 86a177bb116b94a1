/**
 * Writes the BLAKE3 compression functions with their seven rounds unrolled.
 *
 * AssemblyScript has no labelled loops, macros or multiple results, and the compiler keeps the state
 * in registers only when every round is spelled out; so the rounds are spelled out here.
 * Source of the algorithm: the BLAKE3 paper, sections 2.2 and 5.3.
 */

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const COLUMNS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
];
const DIAGONALS = [
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

/** The message word order of each of the seven rounds. */
function schedules() {
  const rounds = [[...Array(16).keys()]];
  while (rounds.length < 7) rounds.push(PERMUTATION.map((from) => rounds.at(-1)[from]));
  return rounds;
}

const range = (count) => [...Array(count).keys()];

/** Half a round on four lanes: four G functions side by side, step by step, for parallel issue. */
function halfRound4(quads, words) {
  const lines = [];
  const step = (text) =>
    quads.forEach(([a, b, c, d], index) => lines.push(text(a, b, c, d, index)));
  // The message word goes in before b: b is the late operand, so the other addition is off the chain.
  const mix = (odd) =>
    step((a, b, _c, _d, i) => `v${a} = add(add(v${a}, m${words[2 * i + odd]}), v${b});`);
  const turnD = (rotate) => step((a, _b, _c, d) => `v${d} = ${rotate}(xor(v${d}, v${a}), mask);`);
  const turnB = (rotate) => step((_a, b, c) => `v${b} = ${rotate}(xor(v${b}, v${c}));`);
  const sum = () => step((_a, _b, c, d) => `v${c} = add(v${c}, v${d});`);
  mix(0);
  turnD('rotate16');
  sum();
  turnB('rotate12');
  mix(1);
  turnD('rotate8');
  sum();
  turnB('rotate7');
  return lines.map((line) =>
    line.replace('rotate16(', 'rotateBytes(').replace('rotate8(', 'rotateBytes('),
  );
}

function withMasks(lines) {
  let turns = 0;
  // Each half round has four turns by 16 bits, then four by 8.
  return lines.map((line) =>
    line.includes('rotateBytes') ? line.replace('mask', turns++ % 8 < 4 ? 'by16' : 'by8') : line,
  );
}

/** Loads one 64-byte block of each of four inputs so that m0 … m15 hold one word of all four. */
function loadMessages() {
  const lines = [];
  for (const group of range(4)) {
    for (const lane of range(4))
      lines.push(`const g${group}${lane} = v128.load(p${lane}, ${16 * group});`);
    const g = (lane) => `g${group}${lane}`;
    lines.push(
      `const a${group} = i32x4.shuffle(${g(0)}, ${g(1)}, 0, 4, 1, 5);`,
      `const b${group} = i32x4.shuffle(${g(2)}, ${g(3)}, 0, 4, 1, 5);`,
      `const c${group} = i32x4.shuffle(${g(0)}, ${g(1)}, 2, 6, 3, 7);`,
      `const d${group} = i32x4.shuffle(${g(2)}, ${g(3)}, 2, 6, 3, 7);`,
      `const m${4 * group} = i32x4.shuffle(a${group}, b${group}, 0, 1, 4, 5);`,
      `const m${4 * group + 1} = i32x4.shuffle(a${group}, b${group}, 2, 3, 6, 7);`,
      `const m${4 * group + 2} = i32x4.shuffle(c${group}, d${group}, 0, 1, 4, 5);`,
      `const m${4 * group + 3} = i32x4.shuffle(c${group}, d${group}, 2, 3, 6, 7);`,
    );
  }
  return lines;
}

/** Transposes v0 … v7 back and stores four chaining values of 32 bytes. */
function storeValues() {
  const lines = [];
  for (const half of range(2)) {
    const v = (index) => `v${4 * half + index}`;
    lines.push(
      `const w${half} = i32x4.shuffle(${v(0)}, ${v(1)}, 0, 4, 1, 5);`,
      `const x${half} = i32x4.shuffle(${v(2)}, ${v(3)}, 0, 4, 1, 5);`,
      `const y${half} = i32x4.shuffle(${v(0)}, ${v(1)}, 2, 6, 3, 7);`,
      `const z${half} = i32x4.shuffle(${v(2)}, ${v(3)}, 2, 6, 3, 7);`,
      `v128.store(out, i32x4.shuffle(w${half}, x${half}, 0, 1, 4, 5), ${16 * half});`,
      `v128.store(out, i32x4.shuffle(w${half}, x${half}, 2, 3, 6, 7), ${32 + 16 * half});`,
      `v128.store(out, i32x4.shuffle(y${half}, z${half}, 0, 1, 4, 5), ${64 + 16 * half});`,
      `v128.store(out, i32x4.shuffle(y${half}, z${half}, 2, 3, 6, 7), ${96 + 16 * half});`,
    );
  }
  return lines;
}

function hash4() {
  const rounds = schedules().flatMap((words) =>
    withMasks([
      ...halfRound4(COLUMNS, words.slice(0, 8)),
      ...halfRound4(DIAGONALS, words.slice(8)),
    ]),
  );
  return `
/** Four inputs of \`blocks\` whole 64-byte blocks side by side → four chaining values at \`out\`. */
export function hash4(
  p0: usize, p1: usize, p2: usize, p3: usize, blocks: u32, key: usize,
  counter: u64, counterStep: u32, flags: u32, flagsFirst: u32, flagsLast: u32, out: usize,
): void {
  const by16 = maskOf16();
  const by8 = maskOf8();
  const low = i32x4.splat(<i32>counter);
  const counterLow = add(low, i32x4.mul(i32x4.splat(counterStep), i32x4(0, 1, 2, 3)));
  const counterHigh = i32x4.splat(<i32>(counter >> 32));
  ${range(8)
    .map((i) => `let v${i} = v128.load32_splat(key, ${4 * i});`)
    .join('\n  ')}
  let blockFlags = flags | flagsFirst;
  for (let left = blocks; left > 0; --left) {
    if (left == 1) blockFlags |= flagsLast;
    ${loadMessages().join('\n    ')}
    let v8 = i32x4.splat(IV0), v9 = i32x4.splat(IV1), v10 = i32x4.splat(IV2), v11 = i32x4.splat(IV3);
    let v12 = counterLow, v13 = counterHigh, v14 = i32x4.splat(64), v15 = i32x4.splat(blockFlags);
    ${rounds.join('\n    ')}
    ${range(8)
      .map((i) => `v${i} = xor(v${i}, v${i + 8});`)
      .join('\n    ')}
    blockFlags = flags;
    p0 += 64; p1 += 64; p2 += 64; p3 += 64;
  }
  ${storeValues().join('\n  ')}
}`;
}

/** Four message words gathered into one vector. */
function gather(words) {
  const [first, ...rest] = words;
  return rest.reduce(
    (inner, word, index) => `v128.load32_lane(block, ${inner}, ${index + 1}, ${4 * word})`,
    `v128.load32_zero(block, ${4 * first})`,
  );
}

/** Half a round on the four rows of one state. */
function halfRound1(words) {
  const even = [0, 2, 4, 6].map((index) => words[index]);
  const odd = [1, 3, 5, 7].map((index) => words[index]);
  return [
    `r0 = add(add(r0, ${gather(even)}), r1);`,
    'r3 = rotateBytes(xor(r3, r0), by16);',
    'r2 = add(r2, r3);',
    'r1 = rotate12(xor(r1, r2));',
    `r0 = add(add(r0, ${gather(odd)}), r1);`,
    'r3 = rotateBytes(xor(r3, r0), by8);',
    'r2 = add(r2, r3);',
    'r1 = rotate7(xor(r1, r2));',
  ];
}

function compress1() {
  const turn = (row, lanes) => `r${row} = i32x4.shuffle(r${row}, r${row}, ${lanes.join(', ')});`;
  const rounds = schedules().flatMap((words) => [
    ...halfRound1(words.slice(0, 8)),
    turn(1, [1, 2, 3, 0]),
    turn(2, [2, 3, 0, 1]),
    turn(3, [3, 0, 1, 2]),
    ...halfRound1(words.slice(8)),
    turn(1, [3, 0, 1, 2]),
    turn(2, [2, 3, 0, 1]),
    turn(3, [1, 2, 3, 0]),
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
  let r3 = i32x4.replace_lane(
    i32x4.replace_lane(i64x2.splat(counter), 2, length), 3, flags);
  ${rounds.join('\n  ')}
  v128.store(out, xor(r0, r2));
  v128.store(out, xor(r1, r3), 16);
}`;
}

/** The text of `assembly/out/compress.ts`. */
export function unrolledSource() {
  return `// Written by assembly/unroll.js at build time.
import { IV0, IV1, IV2, IV3, add, maskOf16, maskOf8, rotate12, rotate7, rotateBytes, xor } from '../lanes';
${hash4()}
${compress1()}
`;
}
