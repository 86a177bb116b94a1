/**
 * A replica's set under syncs, as a process whose disk is recorded: what the agent would be told goes
 * into the log the moment it is told. Arguments: set folder, FIFO of marks, seed, number of syncs.
 */
import fs from 'node:fs';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { openModelSet, sendSync } from '../../model/open-set.js';
import { BOOT, planSyncs } from './power-history.js';

const [, , folder, marks, seed, count] = process.argv;
if (folder === undefined || marks === undefined)
  throw new Error('usage: writer-child FOLDER MARKS SEED COUNT');
const to = fs.openSync(marks, 'w');
const mark = (text: string): void => {
  fs.writeSync(to, `${text}\n`);
};
const { writer, close } = await openModelSet(folder);
writer.onEvent((event) => {
  if (event.type === 'durable') mark(`durable ${event.sequence}`);
  if (event.type === 'sealed') mark(`sealed ${event.sync}`);
  if (event.type === 'committed') mark(`committed ${event.point}`);
});
const syncs = planSyncs(Number(seed), { count: Number(count), core: createHashCore() });
for (const sync of syncs) {
  const event = await sendSync(writer, {
    boot: BOOT,
    from: sync.from,
    frames: sync.frames(writer.position().chain),
  });
  if (event.type === 'refused') throw event.error;
}
await close();
