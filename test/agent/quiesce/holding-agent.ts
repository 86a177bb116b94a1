/** An agent of its own process that holds and never releases, for tests that kill it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { QuiesceConfig } from '../../../agent/quiesce/recipe.js';

export interface HoldingAgent {
  readonly pid: number;
  readonly watchdogPid: number;
  /** kill -9, resolves when it is dead. */
  kill(): Promise<void>;
}

const compiled = new URL('../../../dist/', import.meta.url).href;

/**
 * `started`: resolves once the watchdog runs and the hold has begun; `held`: once it is complete.
 */
export async function startHoldingAgent(
  config: QuiesceConfig,
  options: { readonly until: 'started' | 'held'; readonly armedFile?: string },
): Promise<HoldingAgent> {
  const script = `
    import { createRecipe } from '${compiled}agent/quiesce/create-recipe.js';
    import { startWatchdog } from '${compiled}agent/quiesce/watchdog-client.js';
    import { systemClock } from '${compiled}shared/clock.js';
    import { silentLog as log } from '${compiled}shared/log.js';
    const armedFile = ${JSON.stringify(options.armedFile)};
    const watchdog = await startWatchdog({ log, ...(armedFile ? { armedFile } : {}) });
    const recipe = createRecipe(${JSON.stringify(config)}, { watchdog, log, clock: systemClock });
    console.log('started ' + watchdog.pid);
    await recipe.hold(new AbortController().signal);
    console.log('held');
    setInterval(() => undefined, 60_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let watchdogPid = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, pid] = line.split(' ');
    if (word === 'started') watchdogPid = Number(pid);
    if (word === options.until) break;
  }
  return { pid: child.pid ?? 0, watchdogPid, kill: () => kill(child) };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
