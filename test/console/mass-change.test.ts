/** Which point is offered as the last good one: nothing that a mass change has touched (pure). */
import { describe, expect, test } from 'vitest';
import {
  lastCalm,
  massChangeOf,
  waitingMassChange,
} from '../../console/pages/alarms/mass-change.js';
import { type AlarmJson, alarmSchema } from '../../shared/api/alarms.js';
import { type PointJson, pointSchema } from '../../shared/api/points.js';

function alarm(more: object): AlarmJson {
  return alarmSchema.parse({
    id: 'alarm-1',
    set: 'shop',
    kind: 'mass-change',
    severity: 'critical',
    sinceMs: 5000,
    untilMs: null,
    text: 'many files became random bytes',
    facts: { calmPoint: 3, firstPoint: 5, hold: 'hold-1' },
    acknowledged: null,
    ...more,
  });
}

function points(changed: readonly number[]): PointJson[] {
  return changed.map((changedBytes, index) =>
    pointSchema.parse({
      point: index + 1,
      timeMs: (index + 1) * 1000,
      sync: index + 1,
      consistency: 'application',
      operation: 'schedule',
      recipe: 'none',
      heldMs: 0,
      files: 1,
      bytes: 1,
      changedNodes: 1,
      changedBytes,
      healed: null,
      unreadable: 0,
    }),
  );
}

const at = (point: number): { point: number; timeMs: number } => ({ point, timeMs: point * 1000 });
const acknowledged = (action: 'keep' | 'release'): object => ({
  untilMs: 6000,
  acknowledged: { by: 'local', timeMs: 6000, action, note: null },
});

describe('mass change', () => {
  test('points: all behind the calm point are of it, also those before the one that raised it', () => {
    const open = [alarm({})];
    expect([3, 4, 5, 9].map((point) => massChangeOf(open, at(point))?.id)).toEqual([
      undefined,
      'alarm-1',
      'alarm-1',
      'alarm-1',
    ]);
  });

  test('points: one that was acknowledged still is about those cut before, one that was released about none', () => {
    expect(massChangeOf([alarm(acknowledged('keep'))], at(6))?.id).toBe('alarm-1');
    expect(massChangeOf([alarm(acknowledged('keep'))], at(7))).toBeUndefined();
    expect(massChangeOf([alarm(acknowledged('release'))], at(5))).toBeUndefined();
    expect(waitingMassChange([alarm(acknowledged('keep'))])).toBeUndefined();
    expect(waitingMassChange([alarm({ kind: 'lag' }), alarm({ id: 'alarm-9' })])?.id).toBe(
      'alarm-9',
    );
  });

  test('calm: a change that went on over several points is left behind as a whole', () => {
    const query = { alarms: [], burstBytes: 1000, isWhole: true };
    expect(lastCalm(points([50_000, 20, 30, 5000, 4000]), query)).toBe(3);
    expect(lastCalm(points([50_000, 5000, 4000]), query)).toBe(1);
    expect(lastCalm(points([50_000, 5000]), { ...query, isWhole: false })).toBeUndefined();
  });

  test('calm: points that an alarm is about are not calm, however few bytes they changed', () => {
    const alarms = [alarm(acknowledged('keep'))];
    const query = { alarms, burstBytes: 1000, isWhole: true };
    expect(lastCalm(points([50_000, 20, 30, 20, 20, 5000]), query)).toBe(3);
  });
});
