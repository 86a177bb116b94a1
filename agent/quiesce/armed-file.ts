/**
 * What is armed, on disk: if agent and watchdog are both killed in the middle of a hold (a service
 * manager that kills the whole control group), the next watchdog finds it and releases. Part of the
 * watchdog process: Node's own modules only.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { identityOf, isAlive } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';
import type { ReleaseAction } from './release-action.js';
import { isReleaseAction } from './watchdog-protocol.js';

interface Content {
  readonly watchdog?: ProcessIdentity | undefined;
  readonly actions: readonly ReleaseAction[];
}

/** Written whole and renamed into place; survives processes, not power (locks do not either). */
export function writeArmed(path: string, actions: readonly ReleaseAction[]): void {
  if (actions.length === 0) {
    rmSync(path, { force: true });
    return;
  }
  const content: Content = { watchdog: identityOf(process.pid), actions };
  writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** What is left to release, once the watchdog that wrote it is gone: it may still be at it. */
export async function takeLeftovers(path: string): Promise<readonly ReleaseAction[]> {
  for (;;) {
    const content = readArmed(path);
    if (content?.watchdog === undefined || !isAlive(content.watchdog)) {
      return content?.actions ?? [];
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function readArmed(path: string): Content | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const value = parse(text);
  if (typeof value !== 'object' || value === null || !('actions' in value)) return undefined;
  const actions = Array.isArray(value.actions) ? value.actions.filter(isReleaseAction) : [];
  return { watchdog: 'watchdog' in value ? toIdentity(value.watchdog) : undefined, actions };
}

/** Undefined for what a loss of power left of it: it ended what was held as well. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    process.stderr.write('watchdog: the list of what was held is torn, as after a loss of power\n');
    return undefined;
  }
}

function toIdentity(value: unknown): ProcessIdentity | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('pid' in value) || !('startTicks' in value)) return undefined;
  const { pid, startTicks } = value;
  return typeof pid === 'number' && typeof startTicks === 'string'
    ? { pid, startTicks }
    : undefined;
}
