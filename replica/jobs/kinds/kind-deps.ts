/** What the kinds of jobs of a replica work with. */
import type { Clock } from '../../../shared/clock.js';
import type { HashCore } from '../../../shared/hash/hash-core.js';
import type { Log } from '../../../shared/log.js';
import type { Certifier } from '../../certify/certifier.js';
import type { Retention } from '../../retain/retention.js';
import type { ServedSet } from '../../serve/served-set.js';

export interface KindDeps {
  /** All sets, at every question anew. */
  readonly sets: () => readonly ServedSet[];
  readonly hash: HashCore;
  readonly clock: Clock;
  readonly log: Log;
  readonly certifier?: Certifier | undefined;
  readonly retention?: Retention | undefined;
  /** Absolute folders below which the replica itself may write (R22). */
  readonly restoreRoots: readonly string[];
}
