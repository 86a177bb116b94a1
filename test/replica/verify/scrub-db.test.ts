/** What scrubbing remembers is expendable: a file that rotted is begun anew, when it is met. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SCRUB_FILE, ScrubDb } from '../../../replica/verify/scrub-db.js';

const PAGE = 4096;
const FINDINGS = 200;
let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'afterimage-scrub-'));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function fill(db: ScrubDb): void {
  db.begin(1);
  for (let n = 0; n < FINDINGS; n += 1) {
    db.addFinding({ kind: 'tree', point: null, path: `p${n}`, message: 'x'.repeat(200) });
  }
}

/** All pages but the first, which alone is read when a database is opened. */
function rot(): void {
  const file = path.join(folder, SCRUB_FILE);
  const { size } = fs.statSync(file);
  const fd = fs.openSync(file, 'r+');
  fs.writeSync(fd, Buffer.alloc(size - PAGE, 0xa5), 0, size - PAGE, PAGE);
  fs.closeSync(fd);
}

test('scrub.db: pages that rotted while nobody had it open are met when it is opened', () => {
  const before = new ScrubDb(folder);
  fill(before);
  before.close();
  rot();
  const db = new ScrubDb(folder);
  expect(db.findings()).toEqual([]);
  fill(db);
  expect(db.findings()).toHaveLength(FINDINGS);
  db.close();
});

test('scrub.db: one that is whole is no broken one, and a broken one is begun anew while open', () => {
  const first = new ScrubDb(folder);
  fill(first);
  first.close();
  const db = new ScrubDb(folder);
  expect(db.isBroken).toBe(false);
  expect(db.findings()).toHaveLength(FINDINGS);
  db.close();
  const other = new ScrubDb(folder);
  rot();
  expect(other.isBroken).toBe(true);
  other.renew();
  expect(other.isBroken).toBe(false);
  expect(other.current).toBeUndefined();
  other.close();
});
