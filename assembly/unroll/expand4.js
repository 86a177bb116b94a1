/**
 * Four output blocks of one BLAKE3 root node side by side: the blocks differ only in their counter, so
 * message words are splats and nothing is transposed. All sixteen words are kept, which is what makes
 * extended output (BLAKE3 paper, section 2.6); chaining values keep eight.
 */
import { COLUMNS, DIAGONALS, lines, mix, range, schedules } from './rounds.js';

const state = (index) => `v${index}`;
const pairs = (words) => range(4).map((g) => [`m${words[2 * g]}`, `m${words[2 * g + 1]}`]);

/** Words past the 32 bytes of input are zeros. */
const INPUT_WORDS = 8;

function expand4(name, accumulate) {
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
  const messages = range(16).map((i) =>
    i < INPUT_WORDS
      ? `const m${i} = v128.load32_splat(input, ${4 * i});`
      : `const m${i} = i32x4.splat(0);`,
  );
  const low = range(8).map((i) => `xor(v${i}, v${i + 8})`);
  const high = range(8).map((i) => `xor(v${i + 8}, v128.load32_splat(IV, ${4 * i}))`);
  const results = [...low, ...high].map(
    (word, i) =>
      `v128.store(lanes, i16x8.${accumulate}(v128.load(lanes, ${16 * i}), ${word}), ${16 * i});`,
  );
  return `
/** Output blocks \`counter\` to \`counter\` + 3 of 32 bytes at \`input\`, ${name === 'add4' ? 'added to' : 'taken from'} the lanes at \`lanes\`. */
export function ${name}(input: usize, counter: u32, flags: u32, lanes: usize): void {
  const by16 = maskOf16();
  const by8 = maskOf8();
  ${lines(messages)}
  ${lines(range(8).map((i) => `let v${i} = v128.load32_splat(IV, ${4 * i});`))}
  let v8 = i32x4.splat(IV0), v9 = i32x4.splat(IV1), v10 = i32x4.splat(IV2), v11 = i32x4.splat(IV3);
  let v12 = add(i32x4.splat(counter), i32x4(0, 1, 2, 3)), v13 = i32x4.splat(0);
  let v14 = i32x4.splat(${4 * INPUT_WORDS}), v15 = i32x4.splat(flags);
  ${lines(rounds)}
  ${lines(results)}
}`;
}

const IMPORTS = 'IV0, IV1, IV2, IV3, add, maskOf16, maskOf8, rotate12, rotate7, rotateBytes, xor';

/** The text of `assembly/out/expand.ts`. */
export function expandSource() {
  return `// Written by assembly/unroll/expand4.js at build time.
import { ${IMPORTS} } from '../lanes';
import { IV } from '../layout';
${expand4('add4', 'add')}
${expand4('subtract4', 'sub')}
`;
}
