/**
 * Runs one hook with a verb, in a process group of its own and never longer than its timeout. Part
 * of the watchdog process: Node's own modules only.
 */
import { spawn } from 'node:child_process';
import { identityOf, killProcess } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

export type HookVerb = 'freeze' | 'freezeFail' | 'thaw';

export interface HookRun {
  readonly hook: string;
  readonly verb: HookVerb;
  readonly timeoutMs: number;
  /** Ends the hook early. */
  readonly signal?: AbortSignal;
  /** Told as soon as the hook runs. */
  readonly onStart?: (identity: ProcessIdentity) => void;
}

const SAID_BYTES_MAX = 2_048;

/** Undefined when the hook succeeded, else what went wrong. Never rejects. */
export function runHook(run: HookRun): Promise<string | undefined> {
  return new Promise((resolve) => {
    const label = `${run.hook} ${run.verb}`;
    const child = spawn(run.hook, [run.verb], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const identity = child.pid === undefined ? undefined : identityOf(child.pid);
    let said = '';
    let ended: string | undefined;
    const hear = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-SAID_BYTES_MAX);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const end = (why: string): void => {
      ended ??= why;
      if (identity !== undefined) killProcess(identity, 'group');
    };
    const timer = setTimeout(() => {
      end(`ran longer than ${run.timeoutMs} ms and was killed`);
    }, run.timeoutMs);
    const onAbort = (): void => {
      end('was killed because the hold was given up');
    };
    const finish = (failure: string | undefined): void => {
      clearTimeout(timer);
      run.signal?.removeEventListener('abort', onAbort);
      // A daemon that the hook left behind may keep the pipes open: they are not waited for.
      child.stdout.destroy();
      child.stderr.destroy();
      const words = said.trim() === '' ? '' : `: ${said.trim()}`;
      resolve(failure === undefined ? undefined : `${label} ${failure}${words}`);
    };
    child.once('error', (error) => {
      finish(`did not start: ${error.message}`);
    });
    child.once('exit', (code, signal) => {
      if (ended !== undefined) finish(ended);
      else if (code === 0) finish(undefined);
      else finish(code === null ? `was killed by ${signal ?? 'a signal'}` : `exited with ${code}`);
    });
    run.signal?.addEventListener('abort', onAbort, { once: true });
    if (run.signal?.aborted === true) onAbort();
    if (identity !== undefined) run.onStart?.(identity);
  });
}
