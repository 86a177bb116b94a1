/**
 * Product and peers side by side on the same files and changes: time, processor time, memory, bytes
 * sent and bytes stored. See docs/guide/benchmarks.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Figure } from './figure.js';
import { drawPeers } from './peers/chart.js';
import { figuresOf } from './peers/figures.js';
import { readPeersOptions } from './peers/options.js';
import { recordSchema } from './peers/record.js';
import { runStories } from './peers/run-stories.js';
import { formatPeers } from './peers/table.js';
import type { RunOptions } from './run-options.js';

/** Everybody's copy, and what they restore. */
const COPIES_TIMES = 16;

/** Throws `mismatch` when somebody's result was wrong. */
export async function run(options: RunOptions): Promise<Figure[]> {
  const asked = readPeersOptions(options);
  if (asked.draw !== undefined) return redraw(asked.draw);
  const { rounds, scale } = options;
  const record = await runStories({ ...asked, rounds, scale, copiesTimes: COPIES_TIMES });
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
