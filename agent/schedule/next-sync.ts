/**
 * When a set's next sync is due. Pure: times in, time out, all in milliseconds since the epoch.
 *
 * A continuous set syncs shortly after a change, gathering what comes in bursts, and not before a
 * few times what a scan takes: a large tree whose scan takes a second is not scanned all the
 * time. What could not be settled (a file too young to be told from its next change) is looked at
 * again soon, more and more rarely. A failed sync is tried again, more and more rarely.
 */
import { Cron } from 'croner';
import type { Schedule } from '../../shared/config/agent-config.js';

/** Gathers the changes of one burst. */
const GATHER_MS = 40;
/** The same where a sync looks only at what was reported: its source has gathered already. */
const TARGETED_GATHER_MS = 2;
/** Such a sync is followed by a rest as long as it took, so that half of the time is the host's. */
const TARGETED_REST_MS_MAX = 20;
/** Of a continuous set's time, at most a fourth goes into scans. */
const REST_FACTOR = 3;
const UNSETTLED_MS_MIN = 50;
const UNSETTLED_MS_MAX = 30_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 60_000;

export interface SetTimes {
  /** When the agent began with the set. */
  readonly startedMs: number;
  /** When the last sync, of whatever outcome, began and ended; undefined before the first. */
  readonly last: { readonly startedMs: number; readonly endedMs: number } | undefined;
  /** What a scan that finds nothing takes; undefined while it is not known. */
  readonly scanMs: number | undefined;
  /** When the first change not covered by a sync was seen. */
  readonly changedMs: number | undefined;
  /** Syncs in a row that failed. */
  readonly failures: number;
  /** Syncs in a row that left something unsettled. */
  readonly unsettled: number;
  /** No point of this set exists yet. */
  readonly first: boolean;
  /** The next sync looks at what was reported, not at everything: no scan needs a rest after it. */
  readonly targeted?: boolean;
}

/** Infinity when nothing makes one due. */
export function nextSyncMs(schedule: Schedule, times: SetTimes): number {
  const { last, failures } = times;
  if (times.first && last === undefined) return times.startedMs;
  if (failures > 0 && last !== undefined) {
    return last.endedMs + grow(failures, RETRY_MS_MIN, RETRY_MS_MAX);
  }
  switch (schedule.type) {
    case 'continuous':
      return nextContinuous(times);
    case 'every':
      return last === undefined ? times.startedMs : last.startedMs + schedule.everyMs;
    case 'cron': {
      const after = new Date(last?.startedMs ?? times.startedMs);
      return new Cron(schedule.pattern, { paused: true }).nextRun(after)?.getTime() ?? Infinity;
    }
  }
}

function nextContinuous(times: SetTimes): number {
  const { startedMs, last, scanMs, changedMs, unsettled, targeted } = times;
  if (last === undefined) return startedMs;
  const restMs = targeted === true ? last.endedMs - last.startedMs : REST_FACTOR * (scanMs ?? 0);
  const rested =
    last.endedMs + Math.min(restMs, targeted === true ? TARGETED_REST_MS_MAX : Infinity);
  const gatherMs = targeted === true ? TARGETED_GATHER_MS : GATHER_MS;
  const changed = changedMs === undefined ? Infinity : changedMs + gatherMs;
  const again =
    unsettled === 0 ? Infinity : last.endedMs + grow(unsettled, UNSETTLED_MS_MIN, UNSETTLED_MS_MAX);
  return Math.max(rested, Math.min(changed, again));
}

/**
 * What a scan takes, as far as a sync tells: one that found nothing was a scan and no more; any other
 * took at least as long. A copy of everything tells nothing, or what changes right after it would
 * wait for three times its length.
 */
export function learnScanMs(
  knownMs: number | undefined,
  sync: {
    readonly found: 'nothing' | 'changes';
    readonly copied: 'changes' | 'everything';
    readonly tookMs: number;
  },
): number | undefined {
  if (sync.found === 'nothing') return sync.tookMs;
  return sync.copied === 'everything' ? knownMs : Math.min(knownMs ?? Infinity, sync.tookMs);
}

function grow(times: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(times - 1, 20));
}

/** Times of a clock that was set back since lie ahead of it; nothing waits for it to get there again. */
export function notAhead(times: SetTimes, nowMs: number): SetTimes {
  const { last, changedMs } = times;
  const by = (ms: number): number => Math.min(ms, nowMs);
  return {
    ...times,
    startedMs: by(times.startedMs),
    changedMs: changedMs === undefined ? undefined : by(changedMs),
    last:
      last === undefined ? undefined : { startedMs: by(last.startedMs), endedMs: by(last.endedMs) },
  };
}
