/** The product on each of its lanes, and every peer that is installed. */
import { join } from 'node:path';
import type { Copier, CopierOptions } from '../copier.js';
import { hasDirectLane, startAfterimage, type Way } from './afterimage.js';
import { startBorg } from './borg.js';
import { startKopia } from './kopia.js';
import type { Network } from './network.js';
import { startRestic } from './restic.js';
import { startRsync } from './rsync.js';
import type { Story } from './stories.js';

export type PeerOptions = CopierOptions & { readonly network: Network };
type Start = (options: PeerOptions) => Promise<Copier | undefined>;

export const DIRECT = 'afterimage-direct';
export const BROKER = 'afterimage-broker';
/** Without the kernel's help: trees are walked, large files are read whole. */
export const PLAIN = 'afterimage-plain';

const broker: Way = { name: BROKER, lane: 'broker', follows: 'kernel' };
const direct: Way = { name: DIRECT, lane: 'direct', follows: 'kernel' };

const peers: Readonly<Record<string, Start>> = {
  rsync: startRsync,
  restic: startRestic,
  borg: startBorg,
  kopia: startKopia,
};

export async function startCopiers(
  options: PeerOptions & {
    readonly story: Story;
    readonly copiers: ReadonlySet<string> | undefined;
    readonly say: (text: string) => void;
  },
): Promise<readonly Copier[]> {
  const { folder, sourceFolder = folder, copiers, network, root } = options;
  const plain: Way = { name: PLAIN, lane: hasDirectLane() ? 'direct' : 'broker', follows: 'plain' };
  const ways = [...(hasDirectLane() ? [direct] : []), broker, plain];
  const starts = new Map<string, Start>([
    ...ways.map((way): [string, Start] => [way.name, (own) => startAfterimage(way, own)]),
    ...Object.entries(peers),
  ]);
  const started: Copier[] = [];
  try {
    for (const [name, start] of starts) {
      if (copiers?.has(name) === false) continue;
      const own = { folder: join(folder, name), sourceFolder: join(sourceFolder, name) };
      const copier = await start({ root, network, ...own });
      if (copier === undefined) options.say(`${name} is not installed\n`);
      else started.push(copier);
    }
  } catch (error) {
    for (const copier of started) await copier.stop();
    throw error;
  }
  return started;
}
