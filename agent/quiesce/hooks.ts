/**
 * Holds through an operator's executables, with VMware's verbs and order: `freeze` in byte order of
 * the names, `thaw` in reverse. When a freeze fails, `freezeFail` is called in reverse on every hook
 * that was started, the failed one too, and then `thaw` always.
 */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import { holdUnderWatchdog } from './hold-under-watchdog.js';
import type { Hold } from './hold-under-watchdog.js';
import type { HooksConfig, QuiesceDeps, QuiesceRecipe } from './recipe.js';
import { performRelease } from './release-action.js';
import type { HookCall, ReleaseAction } from './release-action.js';
import type { ProcessIdentity } from './process-identity.js';
import { runHook } from './run-hook.js';

/** Beyond the hooks' own timeouts: starting processes takes time too. */
const SLACK_MS = 5_000;
const OTHERS_WRITE = 0o002;

export function createHooksRecipe(config: HooksConfig, deps: QuiesceDeps): QuiesceRecipe {
  return {
    name: 'hooks',
    consistency: 'application',
    hold: async (signal) => {
      const hooks = findHooks(config.folder);
      const hold = createHold(config, hooks);
      const { deadlineMs } = config;
      return holdUnderWatchdog({ name: 'hooks', hold, deadlineMs, deps, signal });
    },
  };
}

/** Executable files of the folder in byte order. An empty folder holds nothing: an error. */
export function findHooks(folder: string): string[] {
  try {
    refuseIfOthersWrite(folder);
    const hooks = readdirSync(folder)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map((name) => join(folder, name))
      .filter(isExecutableFile);
    for (const hook of hooks) refuseIfOthersWrite(hook);
    if (hooks.length > 0) return hooks;
  } catch (error) {
    if (error instanceof AfterimageError) throw error;
    throw new AfterimageError('quiesce-failed', `hooks: cannot read ${folder}`, { cause: error });
  }
  throw new AfterimageError('quiesce-failed', `hooks: no executable in ${folder}`, {
    facts: { folder },
  });
}

function isExecutableFile(path: string): boolean {
  if (!statSync(path).isFile()) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not executable: the answer, not a failure
  }
}

/** The agent often runs as root: what anybody may write, anybody would run as root. */
function refuseIfOthersWrite(path: string): void {
  if ((statSync(path).mode & OTHERS_WRITE) !== 0) {
    throw new AfterimageError('quiesce-failed', `hooks: ${path} may be written by everybody`, {
      facts: { path },
    });
  }
}

function createHold(config: HooksConfig, hooks: readonly string[]): Hold {
  const timeoutMs = config.hookTimeoutMs;
  /** Hooks whose freeze was started, the last one first. */
  const started: string[] = [];
  let frozen = false;
  const calls = (): HookCall[] => {
    const thaw = started.map((hook): HookCall => ({ hook, verb: 'thaw' }));
    if (frozen) return thaw;
    return [...started.map((hook): HookCall => ({ hook, verb: 'freezeFail' })), ...thaw];
  };
  const action = (running?: ProcessIdentity): ReleaseAction => ({
    kind: 'hooks',
    calls: calls(),
    timeoutMs,
    running,
  });
  return {
    action: action(),
    letGoMsMax: 2 * hooks.length * timeoutMs + SLACK_MS,
    async acquire(signal, change) {
      for (const hook of hooks) {
        signal.throwIfAborted();
        started.unshift(hook);
        await change(action());
        signal.throwIfAborted();
        const onStart = (identity: ProcessIdentity): void => {
          void change(action(identity));
        };
        const problem = await runHook({ hook, verb: 'freeze', timeoutMs, signal, onStart });
        if (problem !== undefined) throw new Error(problem);
      }
      frozen = true;
      await change(action());
      return { kind: 'hooks', folder: config.folder, hooks: hooks.length };
    },
    async letGo() {
      return { problems: await performRelease(action()), intact: true };
    },
  };
}
