/** Certificates of a set's points: each is written once, outlives its point, and gaps show (R26). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CertificateKeys } from '../../../replica/certify/certificate-keys.js';
import { CertificateLog } from '../../../replica/certify/certificate-log.js';
import { Certifier, certifyQuietly } from '../../../replica/certify/certifier.js';
import { dueRows, recordRemoval } from '../../../replica/certify/certificates-due.js';
import { storedDigest } from '../../../replica/certify/point-digest.js';
import type { IndexDb } from '../../../replica/index/index-db.js';
import { prunePoints } from '../../../replica/retain/prune-points.js';
import { readEntry } from '../../../shared/certificate/certificate.js';
import type { Facts } from '../../../shared/certificate/facts.js';
import { type ChainVerdict, ChainVerifier } from '../../../shared/certificate/verify-chain.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { filesBelow, flipBit, scrubOnce } from '../support/scrubbed-set.js';
import { SmallSet } from '../support/small-set.js';

const SET = 'model';
let folder: string;
let set: SmallSet;
let replica: Certified;

/** What a replica has for certificates; `reopen` is another process. */
class Certified {
  readonly log: CertificateLog;
  readonly certifier: Certifier;

  constructor() {
    this.log = new CertificateLog(path.join(folder, 'catalog.db'));
    const keys = CertificateKeys.load(folder, (key) => this.log.hasKeyStepTo(key));
    this.certifier = new Certifier({ log: this.log, keys, clock: systemClock });
  }

  reopen(): Certified {
    this.log.close();
    return new Certified();
  }

  facts(): Facts[] {
    return this.texts().map((text) => readEntry(text).facts);
  }

  texts(): string[] {
    return [...this.log.entries(SET, this.log.end(SET).sequence)].map(({ text }) => text);
  }

  verdict(key = this.certifier.publicKey): ChainVerdict {
    const verifier = new ChainVerifier({ key });
    for (const line of this.certifier.export(SET)) verifier.take(JSON.stringify(line));
    return verifier.end();
  }
}

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-certify-'));
  set = await SmallSet.create();
  replica = new Certified();
});
afterEach(async () => {
  replica.log.close();
  await set.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

function open(): void {
  const { store } = set.open;
  replica.certifier.open(SET, store.writer, store.index);
  store.certify = () => {
    certifyQuietly({ certifier: replica.certifier, store, log: silentLog });
  };
}

/** Removes a point as retention does. */
async function prune(point: number): Promise<void> {
  const request = {
    points: [point],
    reason: { policy: 'keep last 1', by: 'schedule', timeMs: 7_000 },
  };
  const { removed } = await set.open.writer.exclusively(() => prunePoints(set.open.store, request));
  expect(removed).toEqual([point]);
}

function durably(index: IndexDb, work: () => void): void {
  index.durably(work);
}

describe('certificates of points (R26)', () => {
  test('points: each has one, with its digest, chain and what was checked', async () => {
    open();
    await set.goodSync();
    const { index } = set.open.store;
    await expect.poll(() => replica.facts().length).toBe(3);
    const chains = index.all<{ chain: Buffer }>('SELECT chain FROM point ORDER BY point');
    expect(replica.facts()).toMatchObject(
      [1, 2, 3].map((point) => ({
        kind: 'point',
        point,
        parent: point - 1,
        digest: storedDigest(index, point)?.toString('hex'),
        chain: chains[point - 1]?.chain.toString('hex'),
        consistency: 'crash',
        checked: [{ check: 'seal', findings: 0 }],
      })),
    );
    expect(replica.verdict()).toMatchObject({ entries: 3, certified: 3, problems: [] });
    expect(dueRows(index)).toEqual([]);
  });

  test('a crash between the cut and its certificate: the next start writes it', () => {
    const { writer } = set.open.store;
    expect(dueRows(writer)).toHaveLength(2);
    expect(replica.facts()).toEqual([]);
    open();
    expect(replica.facts()).toMatchObject([{ point: 1 }, { point: 2 }]);
  });

  test('a crash after the catalog has it: it is not written twice', () => {
    const { writer } = set.open.store;
    const due = dueRows(writer);
    open();
    durably(writer, () => {
      for (const { origin, facts } of due)
        writer.run('INSERT INTO certificate_due (origin, facts) VALUES (?, ?)', origin, facts);
    });
    const texts = replica.texts();
    replica = replica.reopen();
    open();
    expect(replica.texts()).toEqual(texts);
    expect(dueRows(writer)).toEqual([]);
  });

  test('a crash in the middle of writing: all of what was due or nothing is there', () => {
    const { writer } = set.open.store;
    durably(writer, () => {
      writer.run(
        'INSERT INTO certificate_due (origin, facts) VALUES (?, ?)',
        Buffer.alloc(16),
        '{}',
      );
    });
    expect(() => replica.certifier.certify(SET, writer)).toThrow();
    expect(replica.facts()).toEqual([]);
    expect(dueRows(writer)).toHaveLength(3);
  });

  test('a catalog put back to an older copy: its points are certified anew', async () => {
    open();
    replica.log.close();
    fs.copyFileSync(path.join(folder, 'catalog.db'), path.join(folder, 'older.db'));
    replica = new Certified();
    open();
    await set.goodSync();
    await expect.poll(() => replica.facts().length).toBe(3);
    replica.log.close();
    for (const suffix of ['-wal', '-shm'])
      fs.rmSync(path.join(folder, `catalog.db${suffix}`), { force: true });
    fs.copyFileSync(path.join(folder, 'older.db'), path.join(folder, 'catalog.db'));
    replica = new Certified();
    expect(replica.facts()).toHaveLength(2);
    open();
    expect(replica.facts().at(-1)).toMatchObject({ kind: 'point', point: 3 });
    expect(replica.verdict().problems).toEqual([]);
  });

  test('a check: is an entry of the chain, and found damage does not break it', () => {
    open();
    replica.certifier.recordCheck(SET, {
      points: [2, 1],
      check: 'data',
      timeMs: 9_000,
      findings: 3,
    });
    expect(replica.facts().at(-1)).toEqual({
      kind: 'check',
      check: 'data',
      points: [[1, 2]],
      timeMs: 9_000,
      findings: 3,
    });
    const verdict = replica.verdict();
    expect(verdict.problems).toEqual([]);
    expect(verdict.damagedChecks).toHaveLength(1);
    expect(replica.certifier.ofPoint(SET, 2)).toHaveLength(2);
  });
});

describe('certificates of scrubbing (R26)', () => {
  test('a round: certifies that every byte was looked at, and which points are damaged', async () => {
    open();
    const { store } = set.open;
    store.recordCheck = (check) => {
      replica.certifier.recordCheck(SET, check);
    };
    await scrubOnce(set.open);
    expect(replica.facts().at(-1)).toMatchObject({
      kind: 'check',
      check: 'data',
      points: [[1, 2]],
      findings: 0,
    });
    // What point 1 alone has.
    for (const file of filesBelow(set.at('attic'))) flipBit(file, { byte: 5 });
    await scrubOnce(set.open);
    expect(replica.facts().slice(-2)).toMatchObject([
      { kind: 'check', check: 'data', points: [[1, 1]], findings: 1 },
      { kind: 'check', check: 'data', points: [[2, 2]], findings: 0 },
    ]);
    expect(replica.verdict().damagedChecks).toHaveLength(1);
  });
});

describe('certificates of removals (R26)', () => {
  test('a point removed by policy: its certificate stays, and the removal is signed', async () => {
    open();
    await set.goodSync();
    await prune(2);
    await expect.poll(() => replica.facts().length).toBe(4);
    expect(replica.facts().at(-1)).toEqual({
      kind: 'removal',
      points: [[2, 2]],
      policy: 'keep last 1',
      by: 'schedule',
      timeMs: 7_000,
    });
    const entries = replica.certifier.ofPoint(SET, 2).map(({ text }) => readEntry(text).facts.kind);
    expect(entries).toEqual(['point', 'removal']);
    expect(replica.verdict()).toMatchObject({ certified: 3, removed: 1, problems: [] });
  });

  test('a point removed without a policy: the export says which is gone', async () => {
    open();
    await set.goodSync();
    set.open.store.writer.run('DELETE FROM point WHERE point = 2');
    expect(replica.verdict().problems).toEqual([
      { problem: 'points', point: 2, message: 'is gone, and no policy removed it' },
    ]);
  });

  test('a crash between the removal and its entry: the export is whole, the next start writes it', async () => {
    open();
    await set.goodSync();
    set.open.store.certify = () => undefined;
    await prune(2);
    expect(replica.verdict().problems).toEqual([]);
    expect(replica.verdict().removed).toBe(0);
    replica = replica.reopen();
    open();
    expect(replica.verdict()).toMatchObject({ removed: 1, problems: [] });
  });

  test('a removal that is rolled back: leaves nothing behind', () => {
    open();
    const { writer } = set.open.store;
    const failed = () => {
      durably(writer, () => {
        recordRemoval(writer, { points: [1], policy: 'p', by: 'b', timeMs: 1 });
        throw new Error('the pruning failed');
      });
    };
    expect(failed).toThrow('the pruning failed');
    expect(dueRows(writer)).toEqual([]);
    expect(storedDigest(writer, 1)).toBeDefined();
  });

  test('a set that is closed: its certificates are still there, its points not known', async () => {
    open();
    await set.goodSync();
    await expect.poll(() => replica.facts().length).toBe(3);
    replica.certifier.close(SET);
    expect(replica.certifier.knows(SET)).toBe(true);
    expect(replica.verdict()).toMatchObject({ certified: 3, problems: [] });
  });
});

describe('keys of certificates (R23, R26)', () => {
  test('the key: is the same at the next start, and nobody else may read it', () => {
    const { publicKey } = replica.certifier;
    replica = replica.reopen();
    expect(replica.certifier.publicKey).toBe(publicKey);
    expect(fs.statSync(path.join(folder, 'certificate-key.json')).mode & 0o777).toBe(0o600);
  });

  test('a replaced key: the chain holds for the old key and for the new one', async () => {
    open();
    const { previous, current } = replica.certifier.replaceKey();
    await set.goodSync();
    await expect.poll(() => replica.facts().length).toBe(4);
    expect(replica.certifier.publicKey).toBe(current);
    expect(replica.certifier.lostKey(SET)).toBeUndefined();
    for (const key of [previous, current]) {
      expect(replica.verdict(key), key).toMatchObject({ entries: 4, problems: [] });
    }
  });

  test('a set that began later: is vouched for by every key before', async () => {
    const first = replica.certifier.publicKey;
    replica.certifier.replaceKey();
    const second = replica.certifier.publicKey;
    replica.certifier.replaceKey();
    open();
    await set.goodSync();
    for (const key of [first, second, replica.certifier.publicKey]) {
      expect(replica.verdict(key).problems, key).toEqual([]);
    }
  });

  test.each([
    ['before the catalog has the new key', false],
    ['after the catalog has the new key', true],
  ])('a crash while the key is replaced, %s: the catalog decides', (_when, isIn) => {
    open();
    const before = replica.certifier.publicKey;
    const keys = CertificateKeys.load(folder, () => false);
    let next = '';
    const crash = () => {
      keys.replace((_current, key) => {
        next = key.publicKey;
        throw new Error('the process ended');
      });
    };
    expect(crash).toThrow('the process ended');
    const loaded = CertificateKeys.load(folder, (key) => isIn && key === next);
    expect(loaded.current.publicKey).toBe(isIn ? next : before);
    const again = CertificateKeys.load(folder, () => false);
    expect(again.current.publicKey).toBe(loaded.current.publicKey);
  });

  test('a lost key: points go on, and the chain says that nobody signed the new key', async () => {
    open();
    const { publicKey } = replica.certifier;
    expect(replica.certifier.lostKey(SET)).toBeUndefined();
    fs.rmSync(path.join(folder, 'certificate-key.json'));
    replica = replica.reopen();
    expect(replica.certifier.lostKey(SET)).toBe(publicKey);
    open();
    expect(await set.goodSync()).toEqual([]);
    await expect.poll(() => replica.facts().length).toBe(3);
    const { problems } = replica.verdict(publicKey);
    expect(problems).toMatchObject([{ problem: 'key', point: 3 }]);
  });
});
