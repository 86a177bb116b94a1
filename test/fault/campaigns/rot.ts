/**
 * Bits flip in everything a replica stores of a set with a history: base, attic, packs, index. After
 * one round of scrubbing, and what the agent sends again, every read of every point must be right or
 * an error, and every error must have been named before (promise 2, R3, R21).
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { AfterimageError } from '../../../shared/errors.js';
import { BLOCK_BYTES, blockLength } from '../../../shared/limits.js';
import { SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import { SetStore } from '../../../replica/history/set-store.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { LIVE } from '../../../replica/index/schema.js';
import { bodyRow } from '../../../replica/verify/block-versions.js';
import { repairClosedIndex } from '../../../replica/verify/index-twin.js';
import { differences, type FullCopy, xattrText } from '../../model/full-copy.js';
import { ModelHistory } from '../../model/history.js';
import { core, openModelSet, type OpenSet, sendSync } from '../../model/open-set.js';
import { beginRecord, endRecord, toFrames } from '../../model/sync-records.js';
import {
  filesBelow,
  flipRandomBit,
  scrubOnce,
  type ScrubOutcome,
} from '../../replica/support/scrubbed-set.js';
import { Seeded } from '../../support/seeded.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';

interface Kind {
  readonly kind: string;
  readonly part: 'base' | 'attic' | 'packs' | 'index.db';
  /** Bits flipped in one try, at most. */
  readonly bitsMax: number;
  /** Whether another set of the same agent holds the same content. */
  readonly twins: 'none' | 'elsewhere';
}

const kinds: readonly Kind[] = [
  { kind: 'bits flip in the base', part: 'base', bitsMax: 4, twins: 'none' },
  { kind: 'bits flip in the attic', part: 'attic', bitsMax: 4, twins: 'none' },
  { kind: 'bits flip in packs', part: 'packs', bitsMax: 4, twins: 'none' },
  {
    kind: 'bits flip in the attic, twins elsewhere',
    part: 'attic',
    bitsMax: 4,
    twins: 'elsewhere',
  },
  { kind: 'bits flip in packs, twins elsewhere', part: 'packs', bitsMax: 4, twins: 'elsewhere' },
  { kind: 'bits flip in the index', part: 'index.db', bitsMax: 64, twins: 'none' },
];

/** Tries of each kind at budget 1. */
const TRIES = 300;
const POINTS = 24;

export const campaign: Campaign = {
  name: 'rot',
  run: async (options) => {
    const stored = await StoredSet.make(options.seed);
    try {
      const outcomes: Outcome[] = [];
      for (const kind of kinds) outcomes.push(await rotPart(stored, kind, options));
      return outcomes;
    } finally {
      stored.remove();
    }
  },
};

interface Tally {
  tried: number;
  survived: number;
  lost: number;
  wrong: number;
  found: number;
  repaired: number;
  sentAgain: number;
  damaged: number;
  refusals: number;
}

async function rotPart(stored: StoredSet, kind: Kind, options: CampaignOptions): Promise<Outcome> {
  const random = new Seeded(options.seed * 31 + kinds.indexOf(kind));
  const tally: Tally = {
    tried: 0,
    survived: 0,
    lost: 0,
    wrong: 0,
    found: 0,
    repaired: 0,
    sentAgain: 0,
    damaged: 0,
    refusals: 0,
  };
  const tries = Math.max(1, Math.round(TRIES * options.budget));
  while (tally.tried < tries) {
    const folder = stored.copy();
    tally.tried += 1;
    try {
      const flipped = flip(folder, kind, random);
      const bad = await scrubAndRead(stored, { folder, kind }, tally);
      if (bad.length === 0) continue;
      options.log(`rot, seed ${options.seed}, try ${tally.tried}: ${flipped.join(', ')}`);
      for (const line of bad.slice(0, 5)) options.log(`  ${line}`);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }
  const { found, repaired, sentAgain, damaged, refusals } = tally;
  options.log(
    `${kind.kind}: ${tally.tried} tries; versions of blocks found ${found}, repaired from what is here ${repaired}, by the agent ${sentAgain}, left damaged ${damaged}; sets that would not open ${refusals}`,
  );
  const { tried, survived, lost, wrong } = tally;
  return { kind: kind.kind, tried, survived, lost, wrong };
}

function flip(folder: string, { part, bitsMax }: Kind, random: Seeded): string[] {
  const at = path.join(folder, part);
  const files = part === 'index.db' ? [Buffer.from(at)] : filesBelow(at);
  return Array.from({ length: 1 + random.below(bitsMax) }, () => {
    const file = files[random.below(files.length)] ?? Buffer.from(at);
    return flipRandomBit(file, random);
  });
}

/** What went wrong in a way that must not be. */
async function scrubAndRead(
  stored: StoredSet,
  { folder, kind }: { readonly folder: string; readonly kind: Kind },
  tally: Tally,
): Promise<string[]> {
  let open: OpenSet;
  try {
    open = await openRepaired(folder);
  } catch (error) {
    // An error is an answer: nothing is read from such a set.
    tally.refusals += 1;
    return error instanceof Error ? [] : ['opening threw no error'];
  }
  try {
    const siblings = () => (kind.twins === 'none' ? [] : [stored.twin]);
    const scrubbed = await scrubOnce(open, { siblings });
    tally.found += scrubbed.found;
    tally.repaired += scrubbed.repaired;
    tally.sentAgain += await stored.sendAgain(open, scrubbed);
    const again = await scrubOnce(open, { siblings });
    tally.damaged += again.damage.length;
    const reads = await readAll(stored, open, again);
    tally.wrong += reads.wrong.length;
    tally.lost += reads.unnamed.length;
    if (reads.errors === 0 && reads.wrong.length === 0) tally.survived += 1;
    return [...reads.wrong, ...reads.unnamed];
  } finally {
    await open.close();
  }
}

/** As the replica opens a set: when it does not open, its index is put right first. */
async function openRepaired(folder: string): Promise<OpenSet> {
  try {
    return await openModelSet(folder);
  } catch (error) {
    if (repairClosedIndex(folder, core) === 0) throw error;
    return openModelSet(folder);
  }
}

interface Reads {
  readonly wrong: string[];
  /** Errors that no scrub had named. */
  readonly unnamed: string[];
  errors: number;
}

/** Every file of every point, against what the point was. */
async function readAll(stored: StoredSet, open: OpenSet, scrubbed: ScrubOutcome): Promise<Reads> {
  const reads: Reads = { wrong: [], unnamed: [], errors: 0 };
  const reader = new StoredSetReader(open.store);
  for (const [index, copy] of stored.copies.entries()) {
    const point = index + 1;
    const { found, errors } = await readPoint(reader, point);
    reads.errors += errors.length;
    for (const name of errors) {
      if (!isNamed(scrubbed, point)) reads.unnamed.push(`point ${point}: ${name}: not named`);
    }
    const read = new Map(
      [...copy].filter(([name]) => !errors.some((at) => at === name || at === '')),
    );
    const seen = new Map([...found].filter(([name]) => read.has(name) || !copy.has(name)));
    const whole = errors.includes('')
      ? new Map([...read].filter(([name]) => seen.has(name)))
      : read;
    reads.wrong.push(...differences(seen, whole).map((line) => `point ${point}: ${line}`));
  }
  return reads;
}

/** Whether a scrub said of this point that something in it cannot be read. */
function isNamed({ damage, findings }: ScrubOutcome, point: number): boolean {
  if (findings.some((found) => found.kind !== 'tree' && [null, point].includes(found.point))) {
    return true;
  }
  return damage.some(({ from, to }) => from <= point && point <= to);
}

/** What a point reads back as, and the names of files that answer an error; `''` when a walk does. */
async function readPoint(
  reader: StoredSetReader,
  point: number,
): Promise<{ found: FullCopy; errors: string[] }> {
  const found: FullCopy = new Map();
  const errors: string[] = [];
  try {
    const view = reader.open(point);
    for (const { path: at, version } of view.walk(SET_NODE)) {
      const name = at.toString('latin1');
      const pieces: Buffer[] = [];
      try {
        const range = { offset: 0, length: version.size };
        if (version.kind === 'file') {
          for await (const piece of view.read(version.node, range)) pieces.push(Buffer.from(piece));
        }
      } catch (error) {
        if (!(error instanceof AfterimageError) || error.code !== 'damaged') throw error;
        errors.push(name);
        continue;
      }
      found.set(name, {
        ...version,
        content: Buffer.concat(pieces),
        target: version.target.toString('latin1'),
        xattrs: xattrText(version.xattrs),
      });
      if (found.size > 100_000) throw new Error('the walk does not end');
    }
  } catch {
    errors.push('');
  }
  return { found, errors };
}

/** A set with a history, kept aside and copied for each try. */
class StoredSet {
  readonly copies: readonly FullCopy[];
  /** The same again, as another set. */
  readonly twin: SetStore;
  readonly #folder: string;
  #copied = 0;

  private constructor(folder: string, copies: readonly FullCopy[]) {
    this.#folder = folder;
    this.twin = new SetStore({ set: 'twin', folder: this.copy(), core });
    this.copies = copies;
  }

  static async make(seed: number): Promise<StoredSet> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-rot-'));
    const history = new ModelHistory(seed);
    const open = await openModelSet(path.join(folder, 'set'));
    const { writer } = open;
    let sequence = 1;
    while (history.copies.length < POINTS) {
      const { point, chain } = writer.position();
      const frames = history.next({ point, chain });
      const event = await sendSync(writer, { boot: '1', from: sequence, frames });
      sequence += frames.length;
      if (event.type === 'refused') throw event.error;
    }
    await scrubOnce(open);
    await open.close();
    return new StoredSet(folder, history.copies);
  }

  copy(): string {
    this.#copied += 1;
    const to = path.join(this.#folder, `try-${this.#copied}`);
    // Names are bytes: Node's own copy takes them for text.
    const { status, stderr } = spawnSync('cp', ['-a', path.join(this.#folder, 'set'), to]);
    if (status !== 0) throw new Error(`cp: ${String(stderr)}`);
    return to;
  }

  remove(): void {
    this.twin.close();
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What an agent does whose files have not changed: sends the newest blocks that are damaged. */
  async sendAgain({ store, writer }: OpenSet, { damage }: ScrubOutcome): Promise<number> {
    const newest = [...(this.copies.at(-1)?.values() ?? [])];
    const { point, chain } = writer.position();
    const view = new StoredSetReader(store).open(point);
    const records: SyncRecord[] = [];
    for (const { body, block, hi } of damage) {
      const row = bodyRow(store.index, body);
      const version = row === undefined ? undefined : view.version(row.node);
      const file = newest.find(({ node, kind }) => node === version?.node && kind === 'file');
      if (hi !== LIVE || row?.died !== LIVE || file === undefined || version === undefined)
        continue;
      const { node, content } = file;
      const start = block * BLOCK_BYTES;
      const bytes = content.subarray(start, start + blockLength(content.length, block));
      if (bytes.length === 0) continue;
      records.push(
        { type: 'node', ...version, node, size: content.length, body: 'keep' },
        { type: 'block', node, block, digest: core.digest(bytes), bytes },
      );
    }
    if (records.length === 0) return 0;
    const sync = 1000;
    const frames = toFrames([beginRecord({ sync, point, chain }), ...records, endRecord(sync)]);
    const event = await sendSync(writer, { boot: '2', from: 1, frames });
    return event.type === 'committed' ? records.length / 2 : 0;
  }
}
