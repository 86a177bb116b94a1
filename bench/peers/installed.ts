/** Which peers this machine has. */
import { spawnSync } from 'node:child_process';

/** Undefined when there is no such command. */
export function versionOf(command: string, argument: string): string | undefined {
  const { error, stdout } = spawnSync(command, [argument], { encoding: 'utf8' });
  return error === undefined ? (/\d+\.\d+(\.\d+)?/.exec(stdout)?.[0] ?? 'unknown') : undefined;
}
