/**
 * Product and peers side by side on the same files and changes: time, processor time, memory, bytes
 * sent and bytes stored. See docs/guide/benchmarks.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Figure } from './figure.js';
import { describeMachine } from './machine.js';
import { drawPeers } from './peers/chart.js';
import { figuresOf } from './peers/figures.js';
import { onGrounds } from './peers/grounds.js';
import { openNetwork } from './peers/network.js';
import { type PeersAsked, readPeersOptions } from './peers/options.js';
import { play } from './peers/play.js';
import { type PeersRecord, recordSchema } from './peers/record.js';
import { formatPeers } from './peers/table.js';
import type { RunOptions } from './run-options.js';

/** Room for the largest set once on the source's side. */
const SOURCE_TIMES = 1.6;
/** And for everybody's copy and what they restore on the other. */
const COPIES_TIMES = 16;
const SPARE_BYTES = 4 * 1024 ** 3;

/** Throws `mismatch` when somebody's result was wrong. */
export async function run(options: RunOptions): Promise<Figure[]> {
  const asked = readPeersOptions(options);
  if (asked.draw !== undefined) return redraw(asked.draw);
  const record = await measure(options, asked);
  const { save } = asked;
  mkdirSync(save, { recursive: true });
  writeFileSync(join(save, 'peers.json'), `${JSON.stringify(record, undefined, 1)}\n`);
  writeFileSync(join(save, 'peers.svg'), drawPeers(record));
  options.tell?.(`${formatPeers(record)}\n${join(save, 'peers.json')}\n\n`);
  return figuresOf(record);
}

function redraw(file: string): Figure[] {
  const record = recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  writeFileSync(join(dirname(file), 'peers.svg'), drawPeers(record));
  return figuresOf(record);
}

async function measure({ rounds, scale }: RunOptions, asked: PeersAsked): Promise<PeersRecord> {
  const say = (text: string): void => void process.stderr.write(text);
  const { seed, copiers, stories } = asked;
  const bytes = Math.max(...stories.map((story) => story.bytes)) * scale;
  const network = openNetwork();
  try {
    const sourceBytes = bytes * SOURCE_TIMES + SPARE_BYTES;
    const copiesBytes = bytes * COPIES_TIMES + SPARE_BYTES;
    const room = { asked: asked.ground, sourceBytes, copiesBytes, say };
    return await onGrounds(room, async (grounds) => {
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
