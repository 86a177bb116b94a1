/** A replica's set under syncs, as a process to be killed: arguments are folder, seed, last sync. */
import { randomBytes } from 'node:crypto';
import { ModelHistory } from '../../model/history.js';
import { openModelSet, sendSync } from '../../model/open-set.js';

const [, , folder, seed, last] = process.argv;
if (folder === undefined) throw new Error('usage: kill-child FOLDER SEED LAST');
const { writer, close } = await openModelSet(folder);
const history = new ModelHistory(Number(seed));
const zero = { point: 0, chain: Buffer.alloc(32) };
while (history.copies.length < writer.position().point) history.next(zero);
process.stdout.write('ready\n');
const boot = randomBytes(16).toString('hex');
let sequence = 1;
await writer.abandon('another process sends now');
while (history.copies.length < Number(last)) {
  const { point, chain } = writer.position();
  const frames = history.next({ point, chain });
  const event = await sendSync(writer, { boot, from: sequence, frames });
  sequence += frames.length;
  if (event.type === 'refused') throw event.error;
}
await close();
