/**
 * Mass changes, many seeds of each class, through a real agent and a real replica: every encryptor has
 * to be an alarm with the sync that has enough of it, no harmless change may be one. The log tells the
 * scores, from which the table of docs/design/mass-change.md is made.
 */
import path from 'node:path';
import {
  encryptors,
  innocents,
  leaveNotes,
  writeOffice,
} from '../../replica/support/change-scenes.js';
import { openObservedSet, type ObservedSet } from '../../replica/support/observed-set.js';
import { Seeded } from '../../support/seeded.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';

const SEEDS = 20;
const FILES = 120;
const TURNED = 40;

interface Class {
  readonly name: string;
  readonly isHarmful: boolean;
  readonly run: (set: ObservedSet, random: Seeded) => Promise<void>;
}

const classes: readonly Class[] = [
  ...Object.entries(encryptors).map(([name, turn]) => ({
    name: `encryptor: ${name}`,
    isHarmful: true,
    run: async (set: ObservedSet, random: Seeded) => {
      const files = writeOffice(set.root, random, FILES);
      await set.sync();
      const turned = files.slice(0, TURNED);
      for (const file of turned) turn(file);
      if (random.chance(0.5)) leaveNotes(turned);
      await set.sync();
    },
  })),
  ...Object.entries(innocents).map(([name, change]) => ({
    name: `no harm: ${name}`,
    isHarmful: false,
    run: async (set: ObservedSet, random: Seeded) => {
      writeOffice(path.join(set.root, 'office'), random, 40);
      await set.sync();
      await change(set.root, random, () => set.sync());
    },
  })),
];

async function tryClass(
  { name, isHarmful, run }: Class,
  options: CampaignOptions,
): Promise<Outcome> {
  const { seed, budget } = options;
  const tried = Math.max(1, Math.round(SEEDS * budget));
  const scores: number[] = [];
  const lookMs: number[] = [];
  let wrong = 0;
  for (let at = 0; at < tried; at += 1) {
    const set = await openObservedSet();
    try {
      await run(set, new Seeded(seed + at));
      const isAlarm = set.alarm() !== undefined;
      if (isAlarm !== isHarmful) {
        wrong += 1;
        options.log(
          `${name}: seed ${seed + at} ${isAlarm ? 'is an alarm' : 'is none'}, ${set.score}`,
        );
      }
      scores.push(set.score);
      lookMs.push(...set.lookMs);
    } finally {
      await set.close();
    }
  }
  const [least, most] = [Math.min(...scores), Math.max(...scores)];
  const longest = Math.max(...lookMs).toFixed(0);
  options.log(`| ${name} | ${least.toFixed(2)} | ${most.toFixed(2)} | ${longest} |`);
  return { kind: `mass change, ${name}`, tried, survived: tried - wrong, lost: 0, wrong };
}

export const campaign: Campaign = {
  name: 'mass changes',
  run: async (options) => {
    const outcomes: Outcome[] = [];
    for (const each of classes) outcomes.push(await tryClass(each, options));
    return outcomes;
  },
};
