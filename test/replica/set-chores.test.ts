import { describe, expect, test } from 'vitest';
import { SetChores } from '../../replica/set-chores.js';
import { Stall } from '../../replica/stall.js';
import { AfterimageError } from '../../shared/errors.js';
import { silentLog } from '../../shared/log.js';

describe('work on a set beside its syncs', () => {
  test('runs in order when the lock is given, and what fails is its asker’s alone', async () => {
    const chores = new SetChores();
    const order: string[] = [];
    const first = chores.add(() => {
      throw new Error('at once');
    });
    const second = chores.add(() => Promise.reject(new Error('later')));
    const third = chores.add(() => Promise.resolve(order.push('third')));
    const outcomes = Promise.allSettled([first, second, third]);
    expect(order).toEqual([]);
    await chores.run();
    expect((await outcomes).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    expect(order).toEqual(['third']);
  });

  test('runs while a sync is stalled, so that it can make the room that is missing', async () => {
    const chores = new SetChores();
    let room = false;
    const stall = new Stall({
      log: silentLog,
      signal: new AbortController().signal,
      emit: () => undefined,
      rollBack: () => undefined,
      meanwhile: () => chores.run(),
    });
    const freed = chores.add(() => Promise.resolve((room = true)));
    await stall.untilStored(() =>
      room
        ? Promise.resolve()
        : Promise.reject(new AfterimageError('storage-full', 'there is no room')),
    );
    expect(await freed).toBe(true);
    expect(stall.error).toBeUndefined();
  });
});
