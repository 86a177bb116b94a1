/**
 * A set under syncs, removals and changes of the key, as a process to be killed: arguments are folder,
 * seed, last sync.
 */
import { randomBytes } from 'node:crypto';
import { prunePoints } from '../../../../replica/retain/prune-points.js';
import { ModelHistory } from '../../../model/history.js';
import { sendSync } from '../../../model/open-set.js';
import { openCertifiedSet } from './certified-set.js';

const [, , folder, seed, last] = process.argv;
if (folder === undefined) throw new Error('usage: certify-child FOLDER SEED LAST');
const { writer, store, certifier, close } = await openCertifiedSet(folder);
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
  const reason = { policy: 'every third stays', by: 'test', timeMs: 1 };
  if (point > 3 && point % 3 !== 0) {
    await writer.exclusively(() => prunePoints(store, { points: [point - 2], reason }));
  }
  if (point % 5 === 4) certifier.replaceKey();
}
await close();
