/**
 * A process that is certainly the one meant: pids are reused, start times are not. Part of the
 * watchdog process: Node's own modules only.
 */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  readonly startTicks: string;
}

/** Undefined when there is no such process (any more). */
export function identityOf(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in parentheses and may hold anything; the rest is plain.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    return startTicks === undefined || state === 'Z' ? undefined : { pid, startTicks };
  } catch {
    return undefined; // no such process: the answer, not a failure
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startTicks === identity.startTicks;
}

/** Kills exactly this process, or with `group` everything in the group that it leads. */
export function killProcess(identity: ProcessIdentity, scope: 'process' | 'group'): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(scope === 'group' ? -identity.pid : identity.pid, 'SIGKILL');
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
    if (!gone) throw error;
  }
}

/** Lets exactly this process go on if it was stopped; what went wrong, as text. */
export function continueProcess(identity: ProcessIdentity): string[] {
  if (!isAlive(identity)) return [];
  try {
    process.kill(identity.pid, 'SIGCONT');
    return [];
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
    return gone ? [] : [`process ${identity.pid} cannot be continued: ${String(error)}`];
  }
}
