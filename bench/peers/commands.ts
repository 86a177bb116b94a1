/** Commands of a measurement that end by themselves; which of them run now is known to the meter. */
import { spawn } from 'node:child_process';
import { AfterimageError } from '../../shared/errors.js';

export interface CommandOptions {
  /** Instead of this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Exit codes besides 0 that are no failure. */
  readonly alsoFine?: readonly number[];
}

const running = new Set<number>();
const SAID_CHARACTERS = 2_000;

/** Pids of commands that run now. */
export function runningCommands(): ReadonlySet<number> {
  return running;
}

/** What it printed. Throws `internal` with what it complained of when it failed. */
export async function runCommand(
  [command = '', ...args]: readonly string[],
  options: CommandOptions = {},
): Promise<Buffer> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env ?? process.env,
  });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  const out: Buffer[] = [];
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => void out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-SAID_CHARACTERS);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code === 0 || (code !== null && options.alsoFine?.includes(code) === true)) {
      return Buffer.concat(out);
    }
    throw new Error(`exit code ${code ?? 'none'}: ${said.trim()}`);
  } catch (cause) {
    throw new AfterimageError('internal', `${command} ${args.join(' ')} failed`, { cause });
  } finally {
    if (pid !== undefined) running.delete(pid);
  }
}
