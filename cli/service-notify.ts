/**
 * Tells systemd how a service is doing, with systemd's own `systemd-notify`: ready, stopping, and, where
 * the unit has a watchdog, that the event loop still turns. Without NOTIFY_SOCKET in the environment
 * nothing is said.
 */
import { spawn } from 'node:child_process';
import { messageOf } from '../shared/errors.js';
import type { Log } from '../shared/log.js';

export interface ServiceNotifier {
  /** From now on the unit counts as started, and the watchdog is fed. */
  ready(status: string): void;
  /** The service is shutting down by itself or because it was told to; the watchdog is still fed. */
  stopping(): void;
  /** Ends the feeding. */
  close(): void;
}

const PROGRAM = 'systemd-notify';
const US_PER_MS = 1000;

export function createServiceNotifier(
  env: Readonly<Record<string, string | undefined>>,
  log: Log,
): ServiceNotifier {
  const socket = env['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return silent;
  let timer: NodeJS.Timeout | undefined;
  const say = (...lines: readonly string[]): void => {
    send(lines, { socket, log });
  };
  return {
    ready: (status) => {
      say('READY=1', `STATUS=${status}`);
      const everyMs = watchdogMs(env);
      if (everyMs === undefined) return;
      timer = setInterval(() => {
        say('WATCHDOG=1');
      }, everyMs / 2);
      timer.unref();
    },
    stopping: () => {
      say('STOPPING=1');
    },
    close: () => {
      clearInterval(timer);
    },
  };
}

const silent: ServiceNotifier = {
  ready: () => undefined,
  stopping: () => undefined,
  close: () => undefined,
};

/** How often systemd wants to hear of this process, ms; undefined when it does not. */
function watchdogMs(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const pid = env['WATCHDOG_PID'];
  if (pid !== undefined && Number(pid) !== process.pid) return undefined;
  const us = Number(env['WATCHDOG_USEC']);
  return Number.isFinite(us) && us > 0 ? us / US_PER_MS : undefined;
}

/** A message that does not arrive is told once it fails; systemd ends who stays silent. */
function send(
  lines: readonly string[],
  { socket, log }: { readonly socket: string; readonly log: Log },
): void {
  const child = spawn(PROGRAM, lines, {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'], NOTIFY_SOCKET: socket },
  });
  child.once('error', (error) => {
    log.warn('systemd is not told', { message: lines.join(' '), error: messageOf(error) });
  });
  child.once('exit', (code) => {
    if (code !== 0) log.warn('systemd is not told', { message: lines.join(' '), code });
  });
}
