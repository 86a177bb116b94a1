/** A set is opened and read whatever keeps it from being scrubbed (R19). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SetHouse } from '../../replica/set-house.js';
import { ByteRate } from '../../replica/verify/byte-rate.js';
import { systemClock } from '../../shared/clock.js';
import { silentLog } from '../../shared/log.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { core } from './support/small-set.js';

test('set house: a set whose twin cannot be opened is served without being scrubbed', async () => {
  const dataFolder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-house-'));
  const house = new SetHouse({
    dataFolder,
    core,
    posix: loadPosix(),
    clock: systemClock,
    log: silentLog,
    claim: () => undefined,
    admit: () => undefined,
    scrub: {
      rate: new ByteRate(systemClock, 1_000_000),
      everyMs: Infinity,
      core,
      ownedWith: (set) => [set],
    },
  });
  onTestFinished(async () => {
    await house.close();
    fs.rmSync(dataFolder, { recursive: true, force: true });
  });
  // Not a file: it fails as it does where there is no room for one.
  fs.mkdirSync(path.join(dataFolder, 'sets', 'mail', 'index-twin.db'), { recursive: true });
  await house.openFor({ set: 'mail', agent: 'a' });
  await house.openFor({ set: 'web', agent: 'a' });
  expect(house.opened.map(({ name, scrub }) => [name, scrub !== undefined])).toEqual([
    ['mail', false],
    ['web', true],
  ]);
});
