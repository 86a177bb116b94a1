/** What somebody has to know before they choose: points, what is wrong with them, who could write. */
import type { SettingsAnswer } from '../../../shared/api/access.js';
import type { AlarmJson, AlarmsAnswer, LastVerified } from '../../../shared/api/alarms.js';
import type { PointJson, PointsAnswer } from '../../../shared/api/points.js';
import type { SetStatusJson, StatusAnswer } from '../../../shared/api/status.js';
import { getJson } from '../../api/client.js';
import { type ApiFailure, asFailure, isAbort } from '../../api/failure.js';
import { type Answer, useAnswer } from '../../api/use-answer.js';

const POINTS_LISTED = 200;

export interface RestoreFacts {
  /** Oldest first. */
  readonly points: readonly PointJson[];
  readonly leftOut: number;
  readonly status: SetStatusJson | undefined;
  readonly lastVerified: LastVerified | undefined;
  readonly massChanges: readonly AlarmJson[];
  /** Folders below which the replica may write; null where that is not told. */
  readonly roots: readonly string[] | null;
}

export function useRestoreFacts(set: string): Answer<RestoreFacts> {
  return useAnswer((signal) => loadFacts(set, signal), ['restore', set]);
}

async function loadFacts(set: string, signal: AbortSignal): Promise<RestoreFacts> {
  const [points, status, alarms, settings] = await Promise.all([
    getJson<PointsAnswer>(`/v1/sets/${encodeURIComponent(set)}/points`, {
      query: { limit: POINTS_LISTED },
      signal,
    }),
    getJson<StatusAnswer>('/v1/status', { signal }),
    orWithout(
      getJson<AlarmsAnswer>('/v1/alarms', {
        query: { set, kind: 'mass-change', state: 'all', limit: 100 },
        signal,
      }),
    ),
    orWithout(getJson<SettingsAnswer>('/v1/settings', { signal })),
  ]);
  const own = status.sets.find((one) => one.set === set);
  return {
    points: points.points,
    leftOut: points.leftOut,
    status: own,
    lastVerified: own?.lastVerified ?? undefined,
    massChanges: alarms?.alarms ?? [],
    roots: rootsOf(settings),
  };
}

/** The wizard does without what this caller may not see, or this replica does not have. */
async function orWithout<Value>(asked: Promise<Value>): Promise<Value | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isAbort(error)) throw error;
    const failure: ApiFailure = asFailure(error);
    if (failure.status === 403 || failure.status === 404) return undefined;
    throw failure;
  }
}

function rootsOf(settings: SettingsAnswer | undefined): readonly string[] | null {
  const value = settings?.settings.find(({ key }) => key === 'restore_roots')?.value;
  if (value === undefined) return null;
  if (Array.isArray(value)) return value;
  return typeof value === 'string' ? [value] : [];
}

/** The mass change that a point is at or behind, until the next calm point is not known. */
export function massChangeOf(facts: RestoreFacts, point: number): AlarmJson | undefined {
  return facts.massChanges.find(({ facts: { firstPoint, calmPoint }, untilMs }) => {
    if (firstPoint == null) return false;
    const ended = untilMs !== null && firstPoint !== point;
    return !ended && point >= firstPoint && point !== calmPoint;
  });
}
