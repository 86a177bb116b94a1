/** `bench`: runs the benchmarks, where they are installed. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { addVerb, type Invoke } from '../verb.js';

/** Beside this room when built, in the build folder when run from sources. */
const candidates = ['../../bench/main.js', '../../dist/bench/main.js'];

export function addBench(program: Command, invoke: Invoke): void {
  addVerb(program, 'bench', 'Run the benchmarks')
    .argument('[arguments...]', 'for the runner; put options after --')
    .action((rest: readonly string[], options: { readonly json?: boolean }, command: Command) =>
      invoke(command, async (context) => {
        const runner = candidates
          .map((path) => fileURLToPath(new URL(path, import.meta.url)))
          .find((path) => existsSync(path));
        if (runner === undefined) {
          throw new AfterimageError(
            'not-found',
            'the benchmarks are not part of this installation',
          );
        }
        const flags = options.json === true ? ['--json'] : [];
        return await run(process.execPath, [runner, ...rest, ...flags], context.io.signal);
      }),
    );
}

/** Resolves with the exit code; 4 when it was cancelled. */
function run(command: string, parameters: readonly string[], signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { stdio: 'inherit' });
    const stop = (): void => {
      child.kill('SIGTERM');
    };
    signal.addEventListener('abort', stop, { once: true });
    child.once('error', reject);
    child.once('exit', (code) => {
      signal.removeEventListener('abort', stop);
      resolve(code ?? ExitCode.unavailable);
    });
  });
}
