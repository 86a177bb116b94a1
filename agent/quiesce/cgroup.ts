/**
 * Holds by freezing a control group: every process in it stops at one instant, whatever it is. The
 * files are then as after a crash of the application alone: consistency `filesystem`.
 */
import { createCgroupFreezer } from './cgroup-freezer.js';
import type { Freezer } from './freezer.js';
import { holdUnderWatchdog } from './hold-under-watchdog.js';
import type { Hold } from './hold-under-watchdog.js';
import type { CgroupConfig, QuiesceDeps, QuiesceRecipe } from './recipe.js';
import { performRelease } from './release-action.js';

const LET_GO_MS_MAX = 5_000;

export function createCgroupRecipe(config: CgroupConfig, deps: QuiesceDeps): QuiesceRecipe {
  return {
    name: 'cgroup',
    consistency: 'filesystem',
    hold: async (signal) => {
      const { folder, deadlineMs } = config;
      const freezer = createCgroupFreezer(folder, [process.pid, deps.watchdog.pid]);
      const hold = createHold(freezer);
      return holdUnderWatchdog({ name: 'cgroup', hold, deadlineMs, deps, signal });
    },
  };
}

function createHold(freezer: Freezer): Hold {
  let began = false;
  return {
    action: freezer.action,
    letGoMsMax: LET_GO_MS_MAX,
    async acquire(signal, change) {
      began = true;
      return { kind: 'cgroup', ...(await freezer.freeze(signal, change)) };
    },
    async letGo() {
      if (!began) return { problems: [], intact: false };
      const intact = freezer.isFrozen();
      return { problems: await performRelease(freezer.action), intact };
    },
  };
}
