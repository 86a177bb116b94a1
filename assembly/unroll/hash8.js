/**
 * Eight inputs as two streams of four lanes, taken in turns of half a round.
 *
 * One stream alone waits for its own results: each step needs the one before. The second stream fills
 * those waits, a quarter more throughput where vector operations take two cycles (Zen 5) and no loss
 * where they take one. Sixteen registers cannot hold two states, so the rows a, c and d live in memory
 * between turns; only b, which the next turn needs first, stays out of it. The engine places pure
 * operations just before the store that needs them, so stores keep the turns apart; b's last rotation
 * has none and is left to the stream's next turn, where it waits for less.
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

const STATE_BYTES = 256;
const streams = [
  {
    name: 'a',
    state: 0,
    messages: 2 * STATE_BYTES,
    inputs: ['p', 'p + stride', 'p + stride2', 'p + stride3'],
  },
  {
    name: 'b',
    state: STATE_BYTES,
    messages: 3 * STATE_BYTES,
    inputs: ['q', 'q + stride', 'q + stride2', 'q + stride3'],
  },
];
const isRowB = (index) => index >= 4 && index < 8;
const kept = ({ name }, index) => `${name}${index}`;
const place = ({ state }, index) => state + 16 * index;
const load = (stream, index) =>
  isRowB(index) ? kept(stream, index) : `v128.load(STREAMS, ${place(stream, index)})`;
const store = (stream, index, value) => `v128.store(STREAMS, ${value}, ${place(stream, index)});`;

/** One G function of one stream, from memory to memory. */
function turn(stream, quad, firstWord) {
  const names = ['w', isRowB(quad[1]) ? kept(stream, quad[1]) : 'x', 'y', 'z'];
  const words = [0, 1].map((odd) => `v128.load(o${firstWord + odd}, ${stream.messages})`);
  return [
    '{',
    ...[0, 2, 3].map((row) => `let ${names[row]} = ${load(stream, quad[row])};`),
    ...mix([names], [words]),
    ...[0, 2, 3].map((row) => store(stream, quad[row], names[row])),
    '}',
  ];
}

function round() {
  return [COLUMNS, DIAGONALS].flatMap((quads, half) =>
    streams.flatMap((stream) => quads.flatMap((quad, g) => turn(stream, quad, 8 * half + 2 * g))),
  );
}

/** State words 0–7 start as the key, or as what the block before left. */
const startOf = (stream) =>
  range(8).map((i) => {
    const word = `v128.load32_splat(key, ${4 * i})`;
    return isRowB(i) ? `let ${kept(stream, i)} = ${word};` : store(stream, i, word);
  });

const constantsOf = (stream) =>
  [
    'splat(IV0)',
    'splat(IV1)',
    'splat(IV2)',
    'splat(IV3)',
    `counter`,
    'high',
    'splat(64)',
    'splat(blockFlags)',
  ].map((text, i) =>
    store(
      stream,
      8 + i,
      text === 'counter' ? `low_${stream.name}` : text === 'high' ? text : `i32x4.${text}`,
    ),
  );

const foldOf = (stream) =>
  range(8).flatMap((i) => {
    const folded = `xor(${load(stream, i)}, ${load(stream, i + 8)})`;
    return isRowB(i) ? [`${kept(stream, i)} = ${folded};`] : [store(stream, i, folded)];
  });

const messagesOf = (stream) =>
  loadMessages(
    stream.inputs,
    `i${stream.name}`,
    (word, text) => `v128.store(STREAMS, ${text}, ${stream.messages + 16 * word});`,
  );

const valuesOf = (stream, index) =>
  storeValues(
    range(8).map((i) => load(stream, i)),
    128 * index,
  );

export function hash8() {
  const offsets = schedules()
    .flat()
    .map((word) => 16 * word);
  return `
/** Places of the message words, in bytes, in the order in which the seven rounds take them. */
const SCHEDULE: usize = memory.data<u16>([${offsets.join(', ')}], 64);

/** Eight inputs, \`stride\` bytes apart, of \`blocks\` whole 64-byte blocks → eight chaining values. */
export function hash8(
  p: usize, stride: usize, blocks: u32, key: usize,
  counter: u64, counterStep: u32, flags: u32, flagsFirst: u32, flagsLast: u32, out: usize,
): void {
  const by16 = maskOf16();
  const by8 = maskOf8();
  const step = i32x4.splat(counterStep);
  const low_a = add(i32x4.splat(<i32>counter), i32x4.mul(step, i32x4(0, 1, 2, 3)));
  const low_b = add(i32x4.splat(<i32>counter), i32x4.mul(step, i32x4(4, 5, 6, 7)));
  const high = i32x4.splat(<i32>(counter >> 32));
  const stride2 = 2 * stride;
  const stride3 = 3 * stride;
  let q = p + 4 * stride;
  ${lines(streams.flatMap(startOf))}
  let blockFlags = flags | flagsFirst;
  for (let left = blocks; left > 0; --left) {
    if (left == 1) blockFlags |= flagsLast;
    ${lines(streams.flatMap(messagesOf))}
    ${lines(streams.flatMap(constantsOf))}
    for (let order = SCHEDULE; order < SCHEDULE + 7 * 32; order += 32) {
      ${lines(range(16).map((i) => `const o${i} = STREAMS + <usize>load<u16>(order, ${2 * i});`))}
      ${lines(round())}
    }
    ${lines(streams.flatMap(foldOf))}
    blockFlags = flags;
    p += 64; q += 64;
  }
  ${lines(streams.flatMap(valuesOf))}
}`;
}
