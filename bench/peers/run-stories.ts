/** Plays stories on grounds and a network of their own, and gives what is kept of it. */
import { describeMachine } from '../machine.js';
import { onGrounds } from './grounds.js';
import { openNetwork } from './network.js';
import { play } from './play.js';
import type { PeersRecord } from './record.js';
import type { Story } from './stories.js';

/** Room for the largest set once on the source's side. */
const SOURCE_TIMES = 1.6;
const SPARE_BYTES = 4 * 1024 ** 3;

export interface RunStories {
  readonly stories: readonly Story[];
  readonly rounds: number;
  readonly scale: number;
  readonly seed: number;
  /** As `onGrounds` takes it. */
  readonly ground: string;
  /** Only these; everybody who is installed when undefined. */
  readonly copiers: ReadonlySet<string> | undefined;
  /** Room on the other side, in sizes of the largest set. */
  readonly copiesTimes: number;
}

/** Throws `mismatch` when somebody's result was wrong. */
export async function runStories(options: RunStories): Promise<PeersRecord> {
  const { stories, rounds, scale, seed, ground, copiers } = options;
  const say = (text: string): void => void process.stderr.write(text);
  const bytes = Math.max(...stories.map((story) => story.bytes)) * scale;
  const network = openNetwork();
  try {
    const sourceBytes = bytes * SOURCE_TIMES + SPARE_BYTES;
    const copiesBytes = bytes * options.copiesTimes + SPARE_BYTES;
    return await onGrounds({ asked: ground, sourceBytes, copiesBytes, say }, async (grounds) => {
      say(`${grounds.about}; ${network.about}\n`);
      const played = await play({ stories, rounds, scale, seed, grounds, network, copiers, say });
      return {
        bench: 'peers',
        machine: describeMachine(),
        scale,
        seed,
        rounds,
        ground: grounds.about,
        network: network.about,
        stories: stories.map(({ name, about }) => ({ name, about })),
        copiers: [...played.copiers].map(([name, about]) => ({ name, about })),
        samples: [...played.samples],
      };
    });
  } finally {
    network.close();
  }
}
