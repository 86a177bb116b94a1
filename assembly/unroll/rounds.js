/** What the generated functions share: message order, the G function as text, transpositions. */

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/** State words of the four G functions of each half round. */
export const COLUMNS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
];
export const DIAGONALS = [
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

export const range = (count) => [...Array(count).keys()];
export const lines = (list) => list.join('\n');

/** The message word order of each of the seven rounds. */
export function schedules() {
  const rounds = [range(16)];
  while (rounds.length < 7) rounds.push(PERMUTATION.map((from) => rounds.at(-1)[from]));
  return rounds;
}

/**
 * G functions side by side, step by step. The message word goes in before b: b is the late operand, so
 * the other addition is off the critical chain.
 *
 * @param quads names of the four state variables of each G
 * @param words the two message words of each G, as expressions
 */
export function mix(quads, words) {
  const step = (text) => quads.map(([a, b, c, d], index) => text(a, b, c, d, words[index]));
  return [
    ...step((a, b, _c, _d, [x]) => `${a} = add(add(${a}, ${x}), ${b});`),
    ...step((a, _b, _c, d) => `${d} = rotateBytes(xor(${d}, ${a}), by16);`),
    ...step((_a, _b, c, d) => `${c} = add(${c}, ${d});`),
    ...step((_a, b, c) => `${b} = rotate12(xor(${b}, ${c}));`),
    ...step((a, b, _c, _d, [, y]) => `${a} = add(add(${a}, ${y}), ${b});`),
    ...step((a, _b, _c, d) => `${d} = rotateBytes(xor(${d}, ${a}), by8);`),
    ...step((_a, _b, c, d) => `${c} = add(${c}, ${d});`),
    ...step((_a, b, c) => `${b} = rotate7(xor(${b}, ${c}));`),
  ];
}

/** Four vectors, one word of one lane each → four vectors, one lane's words each (or the inverse). */
function transpose(sources) {
  const [s0, s1, s2, s3] = sources;
  const low01 = `i32x4.shuffle(${s0}, ${s1}, 0, 4, 1, 5)`;
  const low23 = `i32x4.shuffle(${s2}, ${s3}, 0, 4, 1, 5)`;
  const high01 = `i32x4.shuffle(${s0}, ${s1}, 2, 6, 3, 7)`;
  const high23 = `i32x4.shuffle(${s2}, ${s3}, 2, 6, 3, 7)`;
  return [
    `i32x4.shuffle(${low01}, ${low23}, 0, 1, 4, 5)`,
    `i32x4.shuffle(${low01}, ${low23}, 2, 3, 6, 7)`,
    `i32x4.shuffle(${high01}, ${high23}, 0, 1, 4, 5)`,
    `i32x4.shuffle(${high01}, ${high23}, 2, 3, 6, 7)`,
  ];
}

/**
 * Loads one 64-byte block of four inputs and hands each message word, of all four, to `place`.
 *
 * @param inputs address expressions of the four inputs
 * @param prefix of the variables this declares
 */
export function loadMessages(inputs, prefix, place) {
  return range(4).flatMap((group) => {
    const names = inputs.map((_, lane) => `${prefix}${group}${lane}`);
    return [
      ...names.map((name, lane) => `const ${name} = v128.load(${inputs[lane]}, ${16 * group});`),
      ...transpose(names).map((text, index) => place(4 * group + index, text)),
    ];
  });
}

/** Stores the chaining values of four lanes, 32 bytes each, from eight vectors. */
export function storeValues(vectors, offset) {
  return [0, 4].flatMap((half) =>
    transpose(vectors.slice(half, half + 4)).map(
      (text, lane) => `v128.store(out, ${text}, ${offset + 32 * lane + 4 * half});`,
    ),
  );
}
