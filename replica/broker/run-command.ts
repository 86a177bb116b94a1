/** Runs a program to its end, with its output as text and a limit on its time. */
import { execFile } from 'node:child_process';

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** Rejects with the program's own words when it fails. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly cwd?: string },
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      [...args],
      {
        timeout: options.timeoutMs,
        maxBuffer: 16 * 1024 * 1024,
        env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve({ stdout, stderr });
          return;
        }
        const said = stderr.trim().split('\n').slice(-3).join('; ');
        reject(
          new Error(`${program} ${args[0] ?? ''}: ${said || error.message}`, { cause: error }),
        );
      },
    );
  });
}
