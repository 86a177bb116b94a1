/**
 * Search as one types, over the names of all points of a set: what fits best is looked up first, and
 * the search ends with the time it is given, saying that there may be more. Nothing is held open
 * between steps, and others go on between them.
 */
import { type SearchMatch, searchMatches } from '../../shared/api/search.js';
import { AfterimageError } from '../../shared/errors.js';
import type { NodeKind } from '../../shared/protocol/records.js';
import { toPathText } from '../../shared/path-text.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from '../index/index-db.js';
import { namesIndexedTo } from '../index/names.js';
import { kindOf, mtimeOf, nodeAt, type NodeRow } from '../index/nodes.js';
import { pathSince } from './path-spans.js';
import { type PointColumns, positionsIn } from './point-columns.js';
import { candidateSteps } from './search-names.js';
import type { SearchText } from './search-text.js';

export interface SearchFor {
  readonly text: SearchText;
  readonly kind?: NodeKind;
  /** End of the name in lower case, without its dot. */
  readonly ext?: string;
  readonly from: number;
  readonly to: number;
  readonly sizeMin?: number;
  readonly sizeMax?: number;
  /** `true`: in the newest point; `false`: not any more. */
  readonly live?: boolean;
  readonly limit: number;
  /** When it ends at the latest, by performance.now(). */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

export interface FoundName {
  readonly path: Buffer;
  readonly name: Buffer;
  readonly node: number;
  readonly kind: NodeKind;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly firstPoint: number;
  readonly lastPoint: number;
  readonly lastMs: number;
  readonly live: boolean;
  readonly match: SearchMatch;
}

export interface SearchPage {
  /** Best first. */
  readonly found: readonly FoundName[];
  readonly truncated: boolean;
}

/** Folders in which one name is looked at. */
const FOLDERS_MAX = 2000;
/** Results that are looked at for each that is asked for, so that the better ones can be chosen. */
const SLACK = 4;

/** Throws `cancelled`. */
export async function searchNames(
  source: { readonly index: IndexDb; readonly points: PointColumns },
  wanted: SearchFor,
): Promise<SearchPage> {
  return await new NameSearch(source, wanted).run();
}

/** Order of results: how well the name fits, live before gone, short before long. */
export function compareFound(a: FoundName, b: FoundName): number {
  return (
    searchMatches.indexOf(a.match) - searchMatches.indexOf(b.match) ||
    Number(b.live) - Number(a.live) ||
    a.name.length - b.name.length ||
    b.lastMs - a.lastMs ||
    a.path.compare(b.path)
  );
}

interface Standing {
  readonly parent: number;
  readonly first: number;
  readonly died: number;
  readonly node: number;
}

class NameSearch {
  readonly #index: IndexDb;
  readonly #points: PointColumns;
  readonly #wanted: SearchFor;
  readonly #seen = new Set<string>();
  readonly #found: FoundName[] = [];
  readonly #slice = new TimeSlice(5);
  #truncated = false;

  constructor(
    { index, points }: { readonly index: IndexDb; readonly points: PointColumns },
    wanted: SearchFor,
  ) {
    this.#index = index;
    this.#points = points;
    this.#wanted = wanted;
  }

  async run(): Promise<SearchPage> {
    // Names of the newest points may not be searchable yet (R28).
    const newest = this.#points.points[this.#points.count - 1] ?? 0;
    this.#truncated = namesIndexedTo(this.#index) < newest;
    for (const names of candidateSteps(this.#index, this.#wanted.text)) {
      for (const name of names) {
        this.#take(name);
        if (this.#isOver()) return this.#page();
        await this.#breathe();
      }
      if (this.#isOver()) return this.#page();
      await this.#breathe();
    }
    return this.#page();
  }

  #page(): SearchPage {
    const found = this.#found.sort(compareFound);
    if (found.length > this.#wanted.limit) this.#truncated = true;
    return { found: found.slice(0, this.#wanted.limit), truncated: this.#truncated };
  }

  async #breathe(): Promise<void> {
    await this.#slice.breathe();
    if (this.#wanted.signal?.aborted !== true) return;
    throw new AfterimageError('cancelled', 'nobody waits for the search any more');
  }

  /** Enough was found to choose from, or the time is up. */
  #isOver(): boolean {
    const { limit, deadlineMs } = this.#wanted;
    const over = this.#found.length >= limit * SLACK || performance.now() >= deadlineMs;
    if (over) this.#truncated = true;
    return over;
  }

  #take(name: Buffer): void {
    const key = name.toString('latin1');
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const { text, ext } = this.#wanted;
    const shown = toPathText(name);
    const match = text.matchName(shown);
    if (match === undefined) return;
    if (ext !== undefined && !shown.toLowerCase().endsWith(`.${ext}`)) return;
    for (const standing of this.#standings(name)) {
      const found = this.#look(name, { standing, match });
      if (found !== undefined) this.#found.push(found);
      if (this.#isOver()) return;
    }
  }

  /** The newest of this name in each folder, within the range. */
  #standings(name: Buffer): Standing[] {
    const { from, to } = this.#wanted;
    const rows = this.#index.all<Standing>(
      `SELECT g.parent AS parent, g.first AS first, e.died AS died, e.node AS node FROM
         (SELECT parent, min(born) AS first, max(born) AS born FROM entry INDEXED BY entry_name
          WHERE name = ? AND born <= ? GROUP BY parent LIMIT ${FOLDERS_MAX}) g
       JOIN entry e ON e.parent = g.parent AND e.name = ? AND e.born = g.born
       WHERE e.died > ?`,
      name,
      to,
      name,
      from,
    );
    if (rows.length >= FOLDERS_MAX) this.#truncated = true;
    return rows;
  }

  #look(
    name: Buffer,
    of: { readonly standing: Standing; readonly match: SearchMatch },
  ): FoundName | undefined {
    const { standing, match } = of;
    const { from, to, live: wantLive, text } = this.#wanted;
    const span = { from: Math.max(from, standing.first), to: Math.min(to, standing.died - 1) };
    const at = positionsIn(this.#points, span);
    if (at === undefined) return undefined;
    const live = at.last === this.#points.count - 1;
    if (wantLive !== undefined && wantLive !== live) return undefined;
    const lastPoint = this.#points.points[at.last] ?? 0;
    const row = nodeAt(this.#index, standing.node, lastPoint);
    if (row === undefined || !this.#fits(row)) return undefined;
    const placed = pathSince(this.#index, { parent: standing.parent, name }, lastPoint);
    if (placed === undefined) return undefined;
    if (text.fitsPath?.(toPathText(placed.path)) === false) return undefined;
    const first = positionsIn(this.#points, {
      ...span,
      from: Math.max(span.from, placed.folderSince),
    });
    return {
      path: placed.path,
      name,
      node: row.id,
      kind: kindOf(row.kind),
      size: row.size,
      mtimeNs: mtimeOf(row),
      firstPoint: this.#points.points[first?.first ?? at.first] ?? 0,
      lastPoint,
      lastMs: this.#points.timesMs[at.last] ?? 0,
      live,
      match,
    };
  }

  #fits(row: NodeRow): boolean {
    const { kind, sizeMin, sizeMax } = this.#wanted;
    if (kind !== undefined && kindOf(row.kind) !== kind) return false;
    if (sizeMin !== undefined && row.size < sizeMin) return false;
    return sizeMax === undefined || row.size <= sizeMax;
  }
}
