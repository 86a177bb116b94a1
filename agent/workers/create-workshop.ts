/** Chooses how jobs are done: by as many workers as asked for, or as the machine has use for. */
import { availableParallelism } from 'node:os';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { Log } from '../../shared/log.js';
import type { Posix } from '../../shared/posix/posix.js';
import { InlineWorkshop } from './inline-workshop.js';
import { PooledWorkshop } from './pooled-workshop.js';
import type { Workshop } from './workshop.js';

/** More read faster than one thread can say what they found. */
const WORKERS_MAX = 4;

/**
 * With two processors the planning thread and whoever takes its frames have both in use: a worker
 * then costs a tenth more time of them and ends no sooner (docs/design/workers.md).
 */
export function workersFor(processors = availableParallelism()): number {
  return Math.max(0, Math.min(WORKERS_MAX, processors - 2));
}

/** `createCore` is called for the caller's thread only; workers make their own. */
export function createWorkshop(options: {
  readonly workers: number | 'auto';
  readonly createCore: () => HashCore;
  readonly posix: Pick<Posix, 'readSmall'>;
  readonly log: Log;
}): Workshop {
  const workers = options.workers === 'auto' ? workersFor() : options.workers;
  if (workers > 0) return new PooledWorkshop({ workers, log: options.log });
  return new InlineWorkshop({ core: options.createCore(), readSmall: options.posix.readSmall });
}
