/** What a job says of a restore at its end, whoever carried it out. */
import { type JobResult, type PlannedJson, TROUBLES_MAX } from '../../shared/api/jobs.js';

export interface RestoreEnd {
  readonly set: string;
  readonly point: number;
  readonly dryRun: boolean;
  readonly actions: Readonly<Record<string, number>>;
  readonly bytesWritten: number;
  readonly bytesCompared: number;
  readonly problemCount: number;
  readonly problems: readonly {
    readonly path: string;
    readonly code: string;
    readonly message: string;
  }[];
  readonly notes: readonly string[];
  readonly planned: readonly PlannedJson[];
  /** Counts of its own beside those of actions: `undoPoint`, `resultPoint`. */
  readonly points: Readonly<Record<string, number>>;
}

export function restoreResult(end: RestoreEnd): JobResult {
  const { set, point, dryRun, actions, problemCount } = end;
  const written = Object.entries(actions)
    .filter(([action]) => action !== 'keep' && action !== 'leave' && action !== 'spare')
    .reduce((sum, [, count]) => sum + count, 0);
  const { undoPoint } = end.points;
  const failed = problemCount === 0 ? '' : `, ${problemCount} could not be restored`;
  const undo = undoPoint === undefined ? '' : `; restoring point ${undoPoint} takes it back`;
  return {
    text: dryRun
      ? `${set}@${point} would change ${written} entries${failed}; nothing was written`
      : `${set}@${point} is restored: ${written} entries changed${failed}${undo}`,
    counts: {
      ...actions,
      bytesWritten: end.bytesWritten,
      bytesCompared: end.bytesCompared,
      ...end.points,
    },
    troubles: end.problems.slice(0, TROUBLES_MAX),
    troubleCount: problemCount,
    notes: [...end.notes],
    ...(dryRun ? { planned: [...end.planned] } : {}),
  };
}
