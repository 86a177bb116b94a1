/** From a set's configuration to the recipe that holds its application. */
import { createCgroupRecipe } from './cgroup.js';
import { createHooksRecipe } from './hooks.js';
import { createNoneRecipe } from './none.js';
import type { QuiesceConfig, QuiesceDeps, QuiesceRecipe } from './recipe.js';
import { createSqliteRecipe } from './sqlite.js';

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
