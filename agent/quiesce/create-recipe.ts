/** From a set's configuration to the recipe that holds its application. */
import type { Clock } from '../../shared/clock.js';
import type { Log } from '../../shared/log.js';
import { createCgroupRecipe } from './cgroup.js';
import { createHooksRecipe } from './hooks.js';
import { createNoneRecipe } from './none.js';
import type { QuiesceConfig, QuiesceRecipe } from './recipe.js';
import { createSqliteRecipe } from './sqlite.js';
import type { Watchdog } from './watchdog-client.js';

export interface QuiesceDeps {
  readonly watchdog: Watchdog;
  readonly clock: Clock;
  readonly log: Log;
}

/** Cheap: made anew for each sync where the configuration names files by pattern. */
export function createRecipe(config: QuiesceConfig, deps: QuiesceDeps): QuiesceRecipe {
  switch (config.kind) {
    case 'none':
      return createNoneRecipe(deps.clock);
    case 'hooks':
      return createHooksRecipe(config, deps);
    case 'sqlite':
      return createSqliteRecipe(config, deps);
    case 'cgroup':
      return createCgroupRecipe(config, deps);
  }
}
