/**
 * The watchdog process: holds every release (promise 6, R18). Started once by an agent, detached,
 * with Node's own modules only. It does a release when its deadline passes, and all of them when
 * its standard input ends, which is what the death of the agent looks like from here.
 *
 *   node watchdog.js [ARMED_FILE]
 */
import { takeLeftovers, writeArmed } from './armed-file.js';
import { readJsonLines, writeJsonLine } from './json-lines.js';
import { performRelease } from './release-action.js';
import type { ReleaseAction } from './release-action.js';
import { isToWatchdog } from './watchdog-protocol.js';
import type { FromWatchdog, ToWatchdog } from './watchdog-protocol.js';

interface Armed {
  readonly action: ReleaseAction;
  readonly timer: NodeJS.Timeout;
}

const armedFile = process.argv[2];
const armed = new Map<string, Armed>();
const releasing = new Map<string, ReleaseAction>();
/** Disarmed while releasing: answered when the release is done. */
const leaving = new Set<string>();
const underWay = new Set<Promise<void>>();

function say(message: FromWatchdog): void {
  writeJsonLine(process.stdout, message);
}

/** A full disk must not keep an application held: the file is a second line of defence. */
function remember(): void {
  if (armedFile === undefined) return;
  try {
    writeArmed(armedFile, [...[...armed.values()].map((one) => one.action), ...releasing.values()]);
  } catch (error) {
    process.stderr.write(`watchdog: cannot write ${armedFile}: ${String(error)}\n`);
  }
}

function arm(message: Extract<ToWatchdog, { do: 'arm' }>): void {
  const { id, serial, action, deadlineMs } = message;
  if (releasing.has(id)) {
    say({ say: 'releasing', id });
    return;
  }
  clearTimeout(armed.get(id)?.timer);
  const timer = setTimeout(() => {
    fire(id);
  }, deadlineMs);
  armed.set(id, { action, timer });
  remember();
  say({ say: 'armed', id, serial });
}

function disarm(id: string): void {
  if (releasing.has(id)) {
    leaving.add(id);
    return;
  }
  clearTimeout(armed.get(id)?.timer);
  if (armed.delete(id)) remember();
  say({ say: 'disarmed', id });
}

function fire(id: string): void {
  const entry = armed.get(id);
  if (entry === undefined) return;
  clearTimeout(entry.timer);
  armed.delete(id);
  releasing.set(id, entry.action);
  say({ say: 'releasing', id });
  const work = performRelease(entry.action).then((problems) => {
    releasing.delete(id);
    underWay.delete(work);
    remember();
    for (const problem of problems) process.stderr.write(`watchdog: ${problem}\n`);
    say({ say: 'released', id, problems });
    if (leaving.delete(id)) say({ say: 'disarmed', id });
  });
  underWay.add(work);
}

async function releaseAll(): Promise<void> {
  for (const id of [...armed.keys()]) fire(id);
  await Promise.all(underWay);
}

async function main(): Promise<void> {
  // Only the end of the agent ends this process: signals to a whole group do not.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => undefined);
  // The agent may be gone: its ends of these pipes are then closed, and nobody needs the words.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);

  const leftovers = armedFile === undefined ? [] : await takeLeftovers(armedFile);
  const problems = (await Promise.all(leftovers.map(performRelease))).flat();
  remember();
  say({ say: 'ready', leftovers: leftovers.length, problems });
  readJsonLines(
    process.stdin,
    (message) => {
      if (!isToWatchdog(message)) return;
      if (message.do === 'arm') arm(message);
      else disarm(message.id);
    },
    () => {
      void releaseAll().then(() => process.exit(0));
    },
  );
}

await main();
