/** What names of a sync tell: endings that many got, and one new file in many folders. */
import type { IndexDb } from '../index/index-db.js';
import { toPathText } from '../../shared/path-text.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { Ending, Note, Sampled } from './mass-change.js';

const NOTE_FOLDERS_MIN = 3;
const NOTE_BYTES_MAX = 256 * 1024;
const NAMES_LOOKED_AT = 4_096;
const ENDING_BYTES_MAX = 64;
const worded =
  /(decrypt|restor|recover|ransom|unlock|encrypted|your[-_ ]?(files|data)|how[-_ ]?to|readme[-_ ]?(now|for)|locked)/i;

/** What comes after the last dot, digits as one: the kind that a name says the file is. */
export function endingOf(name: Buffer): string {
  const dot = name.lastIndexOf(0x2e);
  if (dot <= 0) return '';
  return toPathText(name.subarray(dot + 1))
    .toLowerCase()
    .replace(/^\d+$/, '#');
}

/** Counts endings that were added to names. */
export class EndingTally {
  readonly #endings = new Map<
    string,
    { files: number; folders: Set<number>; kinds: Set<string> }
  >();

  /** Of one that had another name: counts when the new name begins with the old one. */
  add(old: Buffer, now: { readonly parent: number; readonly name: Buffer }): void {
    const added = now.name.subarray(old.length);
    if (added.length === 0 || added.length > ENDING_BYTES_MAX) return;
    if (!now.name.subarray(0, old.length).equals(old)) return;
    const ending = toPathText(added);
    const tally = this.#endings.get(ending) ?? { files: 0, folders: new Set(), kinds: new Set() };
    this.#endings.set(ending, tally);
    tally.files += 1;
    tally.folders.add(now.parent);
    tally.kinds.add(endingOf(old));
  }

  /** The one that most files got, out of those that were looked at; undefined without any. */
  best(
    looked: Sampled & { readonly others: Omit<Sampled, 'hits'> },
  ): (Sampled & Ending) | undefined {
    const [best] = [...this.#endings].sort(([, a], [, b]) => b.files - a.files);
    if (best === undefined) return undefined;
    const [ending, { files, folders, kinds }] = best;
    return {
      ending,
      hits: files,
      folders: folders.size,
      kinds: kinds.size,
      sampled: looked.sampled + looked.others.sampled,
      population: looked.population + looked.others.population,
    };
  }
}

interface NoteRow {
  readonly name: Buffer;
  readonly folders: number;
}

/** The new small file of one name and content that most folders got which were there before. */
export function noteOf(
  { intent }: { readonly intent: IndexDb },
  newestKnown: number,
): Note | undefined {
  const row = intent.get<NoteRow>(
    `SELECT name, max(folders) AS folders FROM (
       SELECT e.name AS name, count(DISTINCT e.parent) AS folders
       FROM (SELECT parent, name, node FROM entry WHERE node > ? LIMIT ${NAMES_LOOKED_AT}) e
       JOIN node n ON n.id = e.node AND n.size BETWEEN 1 AND ${NOTE_BYTES_MAX}
       JOIN block b ON b.node = e.node AND b.block = 0
       WHERE e.parent <= ? AND e.parent > ${SET_NODE}
       GROUP BY e.name, b.digest HAVING folders >= ${NOTE_FOLDERS_MIN}
     )`,
    newestKnown,
    newestKnown,
  );
  if (row === undefined || !Buffer.isBuffer(row.name)) return undefined;
  const name = toPathText(row.name);
  return { name, folders: row.folders, isWorded: worded.test(name) };
}
