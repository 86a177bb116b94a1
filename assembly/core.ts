/** What both builds of the core export. TypeScript's side is shared/hash/wasm-hash-core.ts. */
import { prepareGear } from './boundaries';
import { prepareCrc } from './crc32c';
import { prepareLogarithms } from './probe';
import * as layout from './layout';

export { hashBegin, hashBatch, hashEnd } from './blake3';
export { digestBlocks } from './blocks';
export { boundaries } from './boundaries';
export { isZero, entropy } from './probe';
export { crc32c } from './crc32c';

export const batchBytes: u32 = layout.BATCH_BYTES;
export const batch: usize = layout.BATCH;
export const staging: usize = layout.STAGING;
export const digests: usize = layout.DIGESTS;
export const fingerprints: usize = layout.FINGERPRINTS;
export const key: usize = layout.KEY;
export const ends: usize = layout.ENDS;

prepareGear();
prepareCrc();
prepareLogarithms();
