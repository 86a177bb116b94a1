/**
 * Looks at every set every few seconds and raises or settles alarms: lag, gaps, agents away, stalls,
 * room, damage. What is judged is a snapshot of a few numbers; nothing waits for it.
 */
import fs from 'node:fs';
import type { ScrubSummary } from '../../shared/api/scrub.js';
import type { Clock } from '../../shared/clock.js';
import type { AlertsConfig } from '../../shared/config/alerts-config.js';
import type { Log } from '../../shared/log.js';
import type { SetActivity } from '../serve/served-set.js';
import type { AlarmDesk, Raised } from './alarm-desk.js';
import { Lag } from './lag.js';
import type { WatchedSet } from './watched-set.js';

export interface SetWatchDeps {
  readonly desk: AlarmDesk;
  readonly alerts: AlertsConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly sets: () => readonly WatchedSet[];
  readonly dataFolder: string;
  /** Findings of the last verification of a set that somebody asked for. */
  readonly findingsOf: (set: string) => number;
  /** Below it, syncs wait. */
  readonly freeBytesMin: number;
}

/** Storage trouble passes by itself more often than not. */
const STALLED_MS = 10_000;
/** Room is short from so many times the bound on. */
const ROOM_TIMES = 2;
const ROOM_SHARE = 0.03;

type Cause = 'gap' | 'agent-away' | 'stalled';

export class SetWatch {
  readonly #deps: SetWatchDeps;
  readonly #lag: Lag;
  /** Since when a cause lasts, by set. */
  readonly #since = new Map<string, number>();

  constructor(deps: SetWatchDeps) {
    this.#deps = deps;
    this.#lag = new Lag(deps.clock.now());
  }

  /** How old what the replica knows of a set is, ms; null for a set without a point. */
  lagMs(set: WatchedSet): number | null {
    return this.#lag.of(set, this.#deps.clock.now());
  }

  targetMs(set: string): number {
    const { alerts } = this.#deps;
    return alerts.lagMaxMsOf[set] ?? alerts.lagMaxMs;
  }

  freeBytes(): { readonly free: number; readonly total: number } {
    const { bavail, blocks, bsize } = fs.statfsSync(this.#deps.dataFolder);
    return { free: bavail * bsize, total: blocks * bsize };
  }

  /** One look at everything. Never throws. */
  look(): void {
    for (const set of this.#deps.sets())
      this.#guarded(set.reader.set, () => {
        this.#lookAt(set);
      });
    this.#guarded(null, () => {
      this.#lookAtRoom();
    });
  }

  #lookAt(set: WatchedSet): void {
    const { alerts } = this.#deps;
    const name = set.reader.set;
    const activity = set.activity();
    const { error, state } = activity;
    this.#lookAtLag(set, activity);
    const awayMs = this.#lasts(name, 'agent-away', !activity.agentConnected);
    this.#decide(awayMs >= alerts.agentAwayMs, {
      set: name,
      kind: 'agent-away',
      severity: 'warning',
      text: `no agent serves ${name}`,
      facts: { agent: activity.agent },
    });
    const gapMs = this.#lasts(name, 'gap', activity.continuityMs === 0);
    this.#decide(gapMs >= alerts.gapMs, {
      set: name,
      kind: 'gap',
      severity: 'warning',
      text: `the journal of ${name} has missed something, and it is not compared yet`,
      facts: { agent: activity.agent },
    });
    const stalledMs = this.#lasts(name, 'stalled', state === 'stalled');
    this.#decide(stalledMs >= STALLED_MS, {
      set: name,
      kind: 'stalled',
      severity: 'critical',
      text: `${name} is stalled: ${error?.message ?? 'storage fails'}`,
      facts: { code: error?.code ?? '' },
    });
    const isQuota = error?.code === 'quota-exceeded';
    this.#decide(isQuota, {
      set: name,
      kind: 'space',
      severity: 'critical',
      text: `syncs of ${name} are refused: ${error?.message ?? ''}`,
      facts: { code: 'quota-exceeded' },
    });
    this.#lookAtDamage(name, set.scrub?.summary());
  }

  #lookAtLag(set: WatchedSet, { agent }: SetActivity): void {
    const name = set.reader.set;
    const targetMs = this.targetMs(name);
    const lagMs = this.lagMs(set);
    this.#decide(lagMs !== null && lagMs > targetMs, {
      set: name,
      kind: 'lag',
      severity: 'warning',
      text: `a change of ${name} waits for longer than its ${Math.round(targetMs / 1000)} s`,
      facts: { targetMs, agent },
    });
  }

  #lookAtDamage(name: string, scrub: ScrubSummary | undefined): void {
    const { damaged = 0, wanted = 0, findings: inIndex = 0 } = scrub ?? {};
    const findings = inIndex + this.#deps.findingsOf(name);
    this.#decide(damaged + findings > 0, {
      set: name,
      kind: 'verify',
      severity: 'critical',
      text: `stored bytes of ${name} are damaged: ${damaged} versions of blocks, and ${findings} findings of checks`,
      facts: { damaged, wanted, findings },
    });
  }

  #lookAtRoom(): void {
    const { free, total } = this.freeBytes();
    const { freeBytesMin } = this.#deps;
    const bound = Math.max(freeBytesMin * ROOM_TIMES, total * ROOM_SHARE);
    this.#decide(free < bound, {
      set: null,
      kind: 'space',
      severity: free < freeBytesMin ? 'critical' : 'warning',
      text: `the disk of the data folder has ${free < freeBytesMin ? 'no room left for syncs' : 'little room left'}`,
      facts: { freeBytesMin, totalBytes: total },
    });
  }

  /** How long a cause has lasted, ms; -1 while it is not there. */
  #lasts(set: string, cause: Cause, isThere: boolean): number {
    const key = `${cause}/${set}`;
    if (!isThere) {
      this.#since.delete(key);
      return -1;
    }
    const nowMs = this.#deps.clock.monotonic();
    const since = this.#since.get(key) ?? nowMs;
    this.#since.set(key, since);
    return nowMs - since;
  }

  #decide(isThere: boolean, raised: Raised): void {
    if (isThere) this.#deps.desk.raise(raised);
    else this.#deps.desk.settle(raised.kind, raised.set);
  }

  #guarded(set: string | null, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#deps.log.error('a set could not be looked at for alarms', error, { set });
    }
  }
}
