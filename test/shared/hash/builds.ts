/** The builds of the core that can be tested here. Node 20 has relaxed SIMD behind an engine flag. */

import { setFlagsFromString } from 'node:v8';
import {
  createHashCore,
  hashBuilds,
  type HashBuild,
} from '../../../shared/hash/create-hash-core.js';
import type { HashCore } from '../../../shared/hash/hash-core.js';

if (process.version.startsWith('v20.')) setFlagsFromString('--experimental-wasm-relaxed-simd');

export interface BuildUnderTest {
  readonly build: HashBuild;
  readonly missing: boolean;
  readonly core: () => HashCore;
}

/** Says why when a build is left out. */
export const buildsUnderTest: readonly BuildUnderTest[] = (['simd', 'relaxed'] as const).map(
  (build) => {
    const missing = !hashBuilds().includes(build);
    if (missing) console.info(`skipped: ${process.version} does not take the ${build} build`);
    let core: HashCore | undefined;
    return { build, missing, core: () => (core ??= createHashCore(build)) };
  },
);
