/**
 * A replica that was killed after it had sealed a sync, and before the agent heard of it: frames of
 * the sync are sent again, and no more once it says so (R10).
 */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import { createRig, firstPosition, type Rig, until, watchEvents, writeSync } from './wire-rig.js';

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

test('session: frames of a sync that turns out to be sealed are let go of while they are sent again', async () => {
  const broker = createMemoryBroker();
  const made = createRig({
    connect: () => broker.connect(),
    set: { manualCommit: true, durableEvery: Infinity },
  });
  rig = made;
  const session = made.session(made.enrol('web'), { windowBytes: 600 * 1024 });
  const seen = watchEvents(session);
  let position = firstPosition;
  await session.start(() => position);
  const before = made.port;
  const stage = before.stage.bind(before);
  before.stage = async (frame) => {
    await stage(frame);
    if (before.position().staged?.sealed === true) broker.down();
  };
  const names = Array.from({ length: 12_000 }, () => randomBytes(100).toString('hex'));
  const manifest = await writeSync(session, { number: 1, names });
  position = { ...position, ended: { sync: 1, manifest } };
  await until(() => before.position().staged?.sealed === true);

  made.crashReplica();
  let open = (): void => undefined;
  made.port.gate = new Promise((resolve) => (open = resolve));
  broker.up();
  await seen.next('sealed');
  made.port.commit();
  const { point, chain } = await seen.next('committed');
  expect(made.receiver.counters.frameBytes).toBeLessThan(1024 * 1024);
  position = { ...position, point, chain, ended: null };

  const written = writeSync(session, { number: 2, names: ['last'], parent: 1 });
  open();
  await written;
  await seen.next('sealed', ({ sync }) => sync === 2);
  made.port.commit();
  await seen.next('committed', ({ sync }) => sync === 2);
  expect(made.port.committed).toEqual([...names, 'last']);
});
