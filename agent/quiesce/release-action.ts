/**
 * What releases an application, as plain values, so that the watchdog process can do it when the
 * agent cannot. Part of the watchdog process: Node's own modules only.
 */
import { writeFileSync } from 'node:fs';
import { continueProcess, isAlive, killProcess } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';
import { runHook } from './run-hook.js';
import type { HookVerb } from './run-hook.js';

export type ReleaseAction =
  /** Kills the freeze that may still run, then calls the hooks in the given order. */
  | {
      readonly kind: 'hooks';
      readonly calls: readonly HookCall[];
      readonly timeoutMs: number;
      readonly running?: ProcessIdentity | undefined;
    }
  /** Writes `value` to a file of the kernel: thaws a control group. */
  | { readonly kind: 'write'; readonly path: string; readonly value: string }
  /** Kills the process that holds the locks. */
  | { readonly kind: 'kill'; readonly process: ProcessIdentity }
  /** Lets stopped processes go on. */
  | { readonly kind: 'continue'; readonly processes: readonly ProcessIdentity[] }
  /** One after the other, whatever becomes of those before. */
  | { readonly kind: 'all'; readonly actions: readonly ReleaseAction[] };

/** A process that the kernel cannot end (stuck on a dead disk) is waited for so long. */
const GONE_MS_MAX = 5_000;

export interface HookCall {
  readonly hook: string;
  readonly verb: HookVerb;
}

/** Does all of it, whatever fails on the way. Never rejects; answers what went wrong. */
export async function performRelease(action: ReleaseAction): Promise<string[]> {
  try {
    switch (action.kind) {
      case 'hooks':
        return await releaseThroughHooks(action);
      case 'write':
        writeFileSync(action.path, action.value);
        return [];
      case 'kill':
        killProcess(action.process, 'process');
        return await untilGone(action.process);
      case 'continue':
        return action.processes.flatMap(continueProcess);
      case 'all':
        return await performAll(action.actions);
    }
  } catch (error) {
    // A control group that is gone holds nobody.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    return [error instanceof Error ? error.message : String(error)];
  }
}

async function releaseThroughHooks(
  action: Extract<ReleaseAction, { kind: 'hooks' }>,
): Promise<string[]> {
  if (action.running !== undefined) killProcess(action.running, 'group');
  const problems: string[] = [];
  for (const call of action.calls) {
    const problem = await runHook({ ...call, timeoutMs: action.timeoutMs });
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}

async function performAll(actions: readonly ReleaseAction[]): Promise<string[]> {
  const problems: string[] = [];
  for (const action of actions) problems.push(...(await performRelease(action)));
  return problems;
}

/** SIGKILL takes effect in its own time; the locks are gone when the process is. */
async function untilGone(identity: ProcessIdentity): Promise<string[]> {
  const limitMs = performance.now() + GONE_MS_MAX;
  while (isAlive(identity)) {
    if (performance.now() > limitMs) return [`process ${identity.pid} does not end`];
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return [];
}
