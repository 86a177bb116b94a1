/**
 * Reads points of a running product back, in this process: restored over the API into a folder and
 * described, so that they compare with what the source was when the point was cut.
 */
import fs from 'node:fs';
import path from 'node:path';
import { ApiClient } from '../../../cli/api-client.js';
import { HttpSource } from '../../../cli/http-source.js';
import { restorePoint } from '../../../shared/restore/restore.js';
import { errnoOf } from '../../../shared/errors.js';
import { TOKEN_FILE, URL_FILE } from '../../../shared/api/address.js';
import { type PointJson, pointsSchema } from '../../../shared/api/points.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { type Description, describeDisk } from '../../replica/support/disk-tree.js';
import type { Product } from './product.js';

export const posix = loadPosix();
const hash = createHashCore();

export class PointReader {
  readonly #product: Product;
  readonly #set: string;
  readonly #api: ApiClient;
  readonly #stop = new AbortController();

  /** Of the replica that runs now: make another one when it was started again. */
  constructor(product: Product, set: string) {
    const read = (name: string): string =>
      fs.readFileSync(path.join(product.replicaData, name), 'utf8').trim();
    this.#product = product;
    this.#set = set;
    this.#api = new ApiClient({ url: read(URL_FILE), token: read(TOKEN_FILE) }, this.#stop.signal);
  }

  /** Oldest first. */
  async points(): Promise<PointJson[]> {
    const answer = await this.#api.json(pointsSchema, { path: `/v1/sets/${this.#set}/points` });
    return answer.points;
  }

  /** What a point holds below its root `root`. */
  async describe(point: number, root: string): Promise<Description> {
    const folder = fs.mkdtempSync(path.join(this.#product.folder, 'read-'));
    try {
      const report = await restorePoint(
        new HttpSource(this.#api, { set: this.#set, point }),
        {
          target: { type: 'folder', folder: Buffer.from(folder) },
          mode: 'in-place',
          orphans: { type: 'delete' },
          effect: 'write',
          paths: [],
        },
        { posix, hash, signal: this.#stop.signal },
      );
      if (report.problemCount > 0) throw report.problems[0]?.error ?? new Error('not restored');
      return describeDisk(posix, path.join(folder, root));
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#api.close();
  }
}

/** What differs, a line each; empty when nothing does. */
export function differences(found: Description, expected: Description): string[] {
  const lines: string[] = [];
  const told = (name: string, at: Description): string =>
    Object.hasOwn(at, name) ? JSON.stringify(at[name]) : 'nothing';
  for (const name of new Set([...Object.keys(found), ...Object.keys(expected)])) {
    const [is, was] = [told(name, found), told(name, expected)];
    if (is !== was) lines.push(`${name}: ${is} instead of ${was}`);
  }
  return lines.slice(0, 20);
}

/** Files of syncs under way on the replica; a folder that is being emptied counts as one. */
export function straysOf(product: Product, set: string): string[] {
  return ['intent', 'new', 'park', 'leftover'].flatMap((part) => {
    const folder = path.join(product.replicaData, 'sets', set, part);
    return namesIn(folder).map((name) => `${part}/${name}`);
  });
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ['.'];
    throw error;
  }
}
