/** How a walk of a set's roots looks at them. */
import type { Target } from '../journal/target.js';
import type { FileCloner } from './held-files.js';

export interface WalkOptions {
  /** Clones what would be read; `readHeldFiles` reads it afterwards. Read at once when left out. */
  readonly cloner?: FileCloner | undefined;
  /** Nothing changes meanwhile: what is not met is gone at first sight. */
  readonly held: boolean;
  /** All that need be looked at, in the order of the paths' bytes; everything when left out. */
  readonly targets?: readonly Target[] | undefined;
  /**
   * What became a target since: where something may have gone that was not met. Undefined asks for a
   * look at everything.
   */
  readonly since?: () => Promise<readonly Target[] | undefined>;
}
