/**
 * What agent and watchdog process say to each other, one JSON value a line. Part of the watchdog
 * process: Node's own modules only.
 */
import type { ReleaseAction } from './release-action.js';

export type ToWatchdog =
  /** Do `action` in `deadlineMs`, or at once when the pipe closes. The same id again replaces. */
  | {
      readonly do: 'arm';
      readonly id: string;
      /** Comes back in `armed`, so that an answer is known for what it answers. */
      readonly serial: number;
      readonly deadlineMs: number;
      readonly action: ReleaseAction;
    }
  | { readonly do: 'disarm'; readonly id: string };

export type FromWatchdog =
  /** Running. `problems` are of releases that an earlier agent and watchdog left undone. */
  | { readonly say: 'ready'; readonly leftovers: number; readonly problems: readonly string[] }
  | { readonly say: 'armed'; readonly id: string; readonly serial: number }
  /** The deadline has passed and the release begins; arming or disarming comes too late. */
  | { readonly say: 'releasing'; readonly id: string }
  | { readonly say: 'released'; readonly id: string; readonly problems: readonly string[] }
  /** Nothing of this id is armed or under way any more. */
  | { readonly say: 'disarmed'; readonly id: string };

export function isToWatchdog(value: unknown): value is ToWatchdog {
  if (typeof value !== 'object' || value === null || !('do' in value) || !('id' in value)) {
    return false;
  }
  if (typeof value.id !== 'string') return false;
  if (value.do === 'disarm') return true;
  return (
    value.do === 'arm' &&
    'serial' in value &&
    typeof value.serial === 'number' &&
    'deadlineMs' in value &&
    typeof value.deadlineMs === 'number' &&
    'action' in value &&
    isReleaseAction(value.action)
  );
}

export function isFromWatchdog(value: unknown): value is FromWatchdog {
  return typeof value === 'object' && value !== null && 'say' in value;
}

export function isReleaseAction(value: unknown): value is ReleaseAction {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  switch (value.kind) {
    case 'hooks':
      return 'calls' in value && Array.isArray(value.calls) && 'timeoutMs' in value;
    case 'write':
      return 'path' in value && 'value' in value;
    case 'kill':
      return 'process' in value && typeof value.process === 'object';
    case 'continue':
      return 'processes' in value && Array.isArray(value.processes);
    case 'all':
      return (
        'actions' in value && Array.isArray(value.actions) && value.actions.every(isReleaseAction)
      );
    default:
      return false;
  }
}
