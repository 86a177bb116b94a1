/** How much is lost of what a replica received when it dies (R11, R12). */
import { expect, test } from 'vitest';
import { BackgroundFlush } from '../../../replica/stage/background-flush.js';
import { silentLog } from '../../../shared/log.js';

const MIB = 1024 * 1024;

test('background flush: is due after many bytes, or after two seconds over a slow link', async () => {
  let nowMs = 0;
  const flush = new BackgroundFlush({
    flushAll: () => Promise.resolve(),
    log: silentLog,
    clock: { monotonic: () => nowMs },
  });
  flush.received(11 * MIB);
  expect(flush.due).toBe(false);
  flush.received(MIB);
  expect(flush.due).toBe(true);
  flush.start(() => Promise.resolve());
  await flush.settled();
  nowMs = 10_000;
  flush.received(MIB / 2);
  nowMs = 12_000;
  expect(flush.due).toBe(false);
  flush.received(MIB / 2);
  expect(flush.due).toBe(true);
  flush.start(() => Promise.resolve());
  await flush.settled();
  flush.received(MIB);
  nowMs = 13_999;
  expect(flush.due).toBe(false);
});
