/**
 * What the agent tells about itself: `status.json` in its data folder, written anew each second
 * when it changed, never half-written. `afterimage status` and monitoring read it.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AfterimageError } from '../../shared/errors.js';
import { toPathText } from '../../shared/path-text.js';
import type { stageCounts } from '../../shared/stages.js';
import type { SetParts } from '../pipeline.js';
import type { RangeState } from '../ranges/range-source.js';
import type { CompressionState } from '../ship/frame-compressor.js';
import type { LaneStatus } from '../ship/set-lane.js';
import type { SessionTraffic } from '../ship/session.js';
import type { SetRunner, SetRunnerStatus } from './set-runner.js';

const EVERY_MS = 1_000;

export interface AgentStatus {
  readonly format: 1;
  readonly pid: number;
  readonly startedMs: number;
  readonly writtenMs: number;
  /** False when the native part is missing; `notCarried` says what that costs. */
  readonly native: boolean;
  readonly notCarried: readonly string[];
  readonly sets: readonly SetStatus[];
  /** Where time went since the start, by stage. */
  readonly stages: ReturnType<typeof stageCounts>;
}

export interface SetStatus {
  readonly name: string;
  readonly activity: SetRunnerStatus['activity'];
  /** The replica answers at present. */
  readonly live: boolean;
  /** Which way frames go to the replica, and where to or why; null where there is only one. */
  readonly lane: LaneStatus | null;
  /** `chokidar` or `scan`. */
  readonly capture: string;
  /** Newest point known to be committed; 0 for none. */
  readonly point: number;
  readonly lastSyncMs: number | null;
  readonly files: number;
  /** How long the oldest change that no point covers has waited, ms; 0 when there is none. */
  readonly behindMs: number;
  readonly journal: {
    readonly paths: number;
    readonly committed: number;
    readonly gaps: readonly { reason: string; covers: string; openedMs: number }[];
    /** 0 while one is open. */
    readonly secondsSinceGap: number;
  };
  /** Longest stretch of the last sync in which the agent's thread answered nobody, ms. */
  readonly agentBlockMsMax: number | null;
  /** Large files that need not be read whole, and what kept clones hold; null without a source. */
  readonly ranges: RangeState | null;
  /** Which compression is in use and why; null where nothing is sent. */
  readonly compression: CompressionState | null;
  /** What is on its way to the replica; null where there is no window. */
  readonly traffic: SessionTraffic | null;
  readonly error: StatusError | null;
  readonly stalled: StatusError | null;
}

export interface StatusError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface StatusSet {
  readonly parts: SetParts;
  readonly runner: SetRunner;
  /** Restores to this host; they end before the set does. */
  readonly restores?: { stop(): Promise<void> };
}

export function describeSet({ parts, runner }: StatusSet): SetStatus {
  const { activity, capture, lastSyncMs, lastError, stalled, files, facts, behindMs } =
    runner.status;
  return {
    name: parts.name,
    activity,
    live: parts.session.live,
    lane: parts.session.lane ?? null,
    capture,
    point: facts.point,
    lastSyncMs: lastSyncMs ?? null,
    files,
    behindMs,
    journal: {
      paths: facts.paths,
      committed: facts.committed,
      gaps: facts.gaps.map(({ reason, covers, openedMs }) => ({
        reason,
        covers: toPathText(covers),
        openedMs,
      })),
      secondsSinceGap: Math.round(facts.continuityMs / 1000),
    },
    agentBlockMsMax: parts.meter.blockMsMax ?? null,
    ranges: parts.ranges?.state() ?? null,
    compression: parts.session.compression ?? null,
    traffic: parts.session.traffic?.() ?? null,
    error: describeError(lastError),
    stalled: describeError(stalled),
  };
}

function describeError(error: AfterimageError | undefined): StatusError | null {
  return error === undefined
    ? null
    : { code: error.code, message: error.message, hint: error.hint };
}

export interface StatusFile {
  /** Writes the last word and stops. */
  close(): void;
}

export function writeStatusFile(options: {
  readonly folder: string;
  readonly describe: () => AgentStatus;
  readonly onError: (error: unknown) => void;
}): StatusFile {
  const path = join(options.folder, 'status.json');
  let last = '';
  const write = (): void => {
    try {
      const status = options.describe();
      const text = JSON.stringify({ ...status, writtenMs: 0 });
      if (text === last) return;
      writeFileSync(`${path}~`, `${JSON.stringify(status, undefined, 2)}\n`, { mode: 0o600 });
      renameSync(`${path}~`, path);
      last = text;
    } catch (error) {
      options.onError(error);
    }
  };
  write();
  const timer = setInterval(write, EVERY_MS);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      write();
    },
  };
}
