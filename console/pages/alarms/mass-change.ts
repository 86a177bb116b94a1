/**
 * Which points a mass change is about, and which point is the last good one before something that
 * should not have happened. Somebody restores what this names, so it errs towards older points. Pure.
 */
import type { AlarmJson } from '../../../shared/api/alarms.js';
import type { PointJson } from '../../../shared/api/points.js';

/** The newest mass change that waits for somebody. */
export function waitingMassChange(alarms: readonly AlarmJson[]): AlarmJson | undefined {
  return alarms.find(({ kind, untilMs }) => kind === 'mass-change' && untilMs === null);
}

/**
 * The mass change that a point holds a part of: from behind its calm point on, because what adds up
 * to an alarm began before the point that raised it, until somebody acknowledged it. One that was
 * released was meant to happen.
 */
export function massChangeOf(
  alarms: readonly AlarmJson[],
  { point, timeMs }: Pick<PointJson, 'point' | 'timeMs'>,
): AlarmJson | undefined {
  return alarms.find(({ kind, facts: { firstPoint, calmPoint }, untilMs, acknowledged }) => {
    if (kind !== 'mass-change' || firstPoint == null) return false;
    if (acknowledged?.action === 'release') return false;
    const isBehind = point > (calmPoint ?? firstPoint - 1);
    return isBehind && (untilMs === null || timeMs <= untilMs);
  });
}

export interface CalmQuery {
  readonly alarms: readonly AlarmJson[];
  /** From so many bytes on a change stands out. */
  readonly burstBytes: number;
  /** `points` begins with the first one of the set, which is the first copy and no change. */
  readonly isWhole: boolean;
}

/**
 * The newest of these points, oldest first, that neither stands out nor is behind the calm point of a
 * mass change; undefined where none of them is.
 */
export function lastCalm(
  points: readonly PointJson[],
  { alarms, burstBytes, isWhole }: CalmQuery,
): number | undefined {
  const calm = points.findLast((point, index) => {
    const isFirstCopy = isWhole && index === 0;
    return (
      massChangeOf(alarms, point) === undefined && (isFirstCopy || point.changedBytes < burstBytes)
    );
  });
  return calm?.point;
}
