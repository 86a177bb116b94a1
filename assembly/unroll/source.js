/**
 * The text of `assembly/out/compress.ts`: BLAKE3's compression in three shapes, with its G functions
 * spelled out. AssemblyScript has no macros or multiple results, and the compiler keeps state in
 * registers only when every step is spelled out. Algorithm: the BLAKE3 paper, sections 2.2 and 5.3.
 */
import { compress1 } from './compress1.js';
import { hash4 } from './hash4.js';
import { hash8 } from './hash8.js';

const IMPORTS = 'IV0, IV1, IV2, IV3, add, maskOf16, maskOf8, rotate12, rotate7, rotateBytes, xor';

export function compressSource() {
  return `// Written by assembly/unroll/source.js at build time.
import { ${IMPORTS} } from '../lanes';
import { STREAMS } from '../layout';
${hash8()}
${hash4()}
${compress1()}
`;
}
