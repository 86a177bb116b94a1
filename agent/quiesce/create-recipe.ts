/** From a set's configuration to the recipe that holds its application. */
import { createCgroupRecipe } from './cgroup.js';
import { createHooksRecipe } from './hooks.js';
import { createMariadbRecipe } from './mariadb.js';
import { createNoneRecipe } from './none.js';
import { createPostgresqlRecipe } from './postgresql.js';
import type { QuiesceConfig, QuiesceDeps, QuiesceRecipe } from './recipe.js';
import { createRedisRecipe } from './redis.js';
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
    case 'postgresql':
      return createPostgresqlRecipe(config, deps);
    case 'mariadb':
      return createMariadbRecipe(config, deps);
    case 'redis':
      return createRedisRecipe(config, deps);
  }
}
