/** What somebody has to know before they choose: points, what is wrong with them, who could write. */
import type { SettingsAnswer } from '../../../shared/api/access.js';
import type { AlarmJson, AlarmsAnswer, LastVerified } from '../../../shared/api/alarms.js';
import type { PointDetail, PointJson, PointsAnswer } from '../../../shared/api/points.js';
import type { SetStatusJson, StatusAnswer } from '../../../shared/api/status.js';
import { getJson } from '../../api/client.js';
import { orWithout } from '../../api/failure.js';
import { type Answer, useAnswer } from '../../api/use-answer.js';
import { at } from '../../shell/router.js';

const POINTS_LISTED = 200;

export interface RestoreFacts {
  /** The point that somebody came with; it is missing in `points` when it is not there. */
  readonly asked: number | undefined;
  /** Oldest first: the newest ones, and that which was asked for. */
  readonly points: readonly PointJson[];
  readonly leftOut: number;
  readonly status: SetStatusJson | undefined;
  readonly lastVerified: LastVerified | undefined;
  readonly massChanges: readonly AlarmJson[];
  /** Folders below which the replica may write; null where that is not told. */
  readonly roots: readonly string[] | null;
}

/** `point` is what somebody came with: it is told of however old it is. */
export function useRestoreFacts(set: string, point: number | undefined): Answer<RestoreFacts> {
  return useAnswer((signal) => loadFacts({ set, point, signal }), ['restore', set, point]);
}

async function loadFacts({
  set,
  point,
  signal,
}: {
  readonly set: string;
  readonly point: number | undefined;
  readonly signal: AbortSignal;
}): Promise<RestoreFacts> {
  const path = at`/v1/sets/${set}/points`;
  const [points, asked, status, alarms, settings] = await Promise.all([
    getJson<PointsAnswer>(path, { query: { limit: POINTS_LISTED }, signal }),
    point === undefined
      ? undefined
      : orWithout(getJson<PointDetail>(`${path}/${point}`, { signal })),
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
  const isListed = points.points.some((one) => one.point === asked?.point);
  return {
    asked: point,
    points: asked === undefined || isListed ? points.points : [asked, ...points.points],
    leftOut: points.leftOut,
    status: own,
    lastVerified: own?.lastVerified ?? undefined,
    massChanges: alarms?.alarms ?? [],
    roots: rootsOf(settings),
  };
}

function rootsOf(settings: SettingsAnswer | undefined): readonly string[] | null {
  const value = settings?.settings.find(({ key }) => key === 'restore_roots')?.value;
  if (value === undefined) return null;
  if (Array.isArray(value)) return value;
  return typeof value === 'string' ? [value] : [];
}
