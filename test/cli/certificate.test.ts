/** The certificate verbs: what an operator exports, an auditor verifies without a replica (R26). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CertificateKeys } from '../../replica/certify/certificate-keys.js';
import { CertificateLog } from '../../replica/certify/certificate-log.js';
import { Certifier } from '../../replica/certify/certifier.js';
import { prunePoints } from '../../replica/retain/prune-points.js';
import { systemClock } from '../../shared/clock.js';
import { ExitCode } from '../../shared/errors.js';
import { SmallSet } from '../replica/support/small-set.js';
import { type Outcome, TestReplica } from './support/served-memory.js';

const offline = { env: { AFTERIMAGE_URL: 'http://127.0.0.1:9', AFTERIMAGE_TOKEN: 'x' } };
let folder: string;
let set: SmallSet;
let log: CertificateLog;
let certifier: Certifier;
let replica: TestReplica;
let file: string;

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-certificate-'));
  file = path.join(folder, 'shop.certificates');
  set = await SmallSet.create();
  log = new CertificateLog(path.join(folder, 'catalog.db'));
  const keys = CertificateKeys.load(folder, () => false);
  certifier = new Certifier({ log, keys, clock: systemClock });
  certifier.open('shop', set.open.store.writer, set.open.store.index);
  replica = new TestReplica();
  replica.set.cut((tree) => tree.file('a', '1'));
  replica.set.cut((tree) => tree.file('a', '2'));
  await replica.start({ certifier });
});

afterEach(async () => {
  await replica.stop();
  log.close();
  await set.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function exported(): Promise<Outcome> {
  const run = await replica.run(['certificate', 'export', 'shop', '--out', file]);
  expect(run.err).toBe('');
  return run;
}

/** Verifies the file where there is no replica. */
function verify(...options: readonly string[]): Promise<Outcome> {
  const key = options.includes('--key') ? [] : ['--key', certifier.publicKey];
  return replica.run(['certificate', 'verify', file, ...key, ...options], offline);
}

const headOf = (run: Outcome): string => /^head ([0-9a-f]{64})$/m.exec(run.out)?.[1] ?? '';

/** Changes the file as somebody would who does not have the key. */
function tamper(change: (lines: string[]) => string[]): void {
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
  fs.writeFileSync(file, `${change(lines).join('\n')}\n`);
}

async function cutAndPrune(): Promise<void> {
  expect(await set.goodSync()).toEqual([]);
  const { store, writer } = set.open;
  const reason = { policy: 'keep last 2', by: 'schedule', timeMs: 1_000 };
  await writer.exclusively(() => prunePoints(store, { points: [1], reason }));
  certifier.certify('shop', store.writer);
}

describe('certificate export and verify', () => {
  it('an export: holds with the printed key, without a replica', async () => {
    await cutAndPrune();
    const { out } = await exported();
    expect(out).toMatch(/^4 entries of shop are in /);
    const key = (await replica.run(['certificate', 'key'])).out.trim();
    const run = await verify('--key', key);
    expect(run.out).toMatch(/shop: 4 entries, 3 points certified, 1 removed by policy.*all holds/);
    expect(run.code).toBe(ExitCode.ok);
    expect(headOf(run)).toBe(headOf({ ...run, out }));
  });

  it('an export to standard output: is the same file', async () => {
    await exported();
    const { out } = await replica.run(['certificate', 'export', 'shop']);
    const withoutHead = (text: string): string[] => text.trimEnd().split('\n').slice(0, -1);
    expect(withoutHead(out)).toEqual(withoutHead(fs.readFileSync(file, 'utf8')));
  });

  it('one letter altered: exits with 1 and names the point', async () => {
    await exported();
    tamper((lines) => lines.map((line) => line.replace('\\"point\\":1,', '\\"point\\":7,')));
    const run = await verify();
    expect(run.code).toBe(ExitCode.mismatch);
    expect(run.out).toMatch(/^shop@7 entry 1: its signature does not fit/m);
    expect(run.out).toMatch(/^shop@2 entry 2: does not follow the entry before it/m);
  });

  it('entries cut off: exits with 1, with --json as objects', async () => {
    await exported();
    tamper((lines) => lines.slice(0, 2));
    const run = await verify('--json');
    expect(run.code).toBe(ExitCode.mismatch);
    const lines = run.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject(
      [
        { type: 'problem', set: 'shop', problem: 'end', message: /no signed head/ },
        { type: 'verified', set: 'shop', entries: 1, problems: 1 },
      ].map((line) =>
        'message' in line
          ? { ...line, message: expect.stringMatching(line.message) as string }
          : line,
      ),
    );
  });

  it('an older export in the place of a newer: needs a head that was seen since', async () => {
    await exported();
    const old = fs.readFileSync(file);
    await cutAndPrune();
    const head = headOf(await exported());
    expect((await verify('--head', head)).code).toBe(ExitCode.ok);
    fs.writeFileSync(file, old);
    expect((await verify()).code).toBe(ExitCode.ok);
    const run = await verify('--head', head);
    expect(run.code).toBe(ExitCode.mismatch);
    expect(run.out).toContain(`no entry has the digest ${head}`);
  });

  it('--live: an older file holds, and shows when the chain of the replica was cut back', async () => {
    await cutAndPrune();
    await exported();
    const live = (): Promise<Outcome> =>
      replica.run(['certificate', 'verify', file, '--key', certifier.publicKey, '--live']);
    expect((await live()).code).toBe(ExitCode.ok);
    certifier.recordCheck('shop', { points: [2], check: 'data', timeMs: 5, findings: 0 });
    expect((await live()).code).toBe(ExitCode.ok);
    const catalog = new Database(path.join(folder, 'catalog.db'));
    catalog.exec('DELETE FROM certificates WHERE sequence >= 4');
    catalog.close();
    const cut = await live();
    expect(cut.out).toMatch(/^shop entry 4: the replica's chain ends with entry 3/m);
    expect(cut.code).toBe(ExitCode.mismatch);
    certifier.recordCheck('shop', { points: [2], check: 'index', timeMs: 6, findings: 0 });
    expect((await live()).out).toMatch(/^shop entry 4: the replica has another entry now/m);
  });

  it('a replaced key: the old one still verifies, a foreign one does not', async () => {
    const before = certifier.publicKey;
    const run = await replica.run(['certificate', 'key', '--replace', '--json']);
    expect(JSON.parse(run.out)).toEqual({ key: certifier.publicKey, previous: before });
    await exported();
    expect((await verify('--key', before)).code).toBe(ExitCode.ok);
    expect((await verify()).code).toBe(ExitCode.ok);
    const foreign = Buffer.alloc(32, 7).toString('base64url');
    expect((await verify('--key', foreign)).out).toMatch(/vouched for by the given key/);
  });

  it.each([
    [
      ['verify', 'nothing-there', '--key', Buffer.alloc(32).toString('base64url')],
      ExitCode.usage,
      /cannot be read/,
    ],
    [['verify', 'x'], ExitCode.usage, /required option '--key/],
    [['verify', 'x', '--key', 'short'], ExitCode.usage, /32 bytes/],
    [['export', 'other'], ExitCode.notFound, /no set "other"/],
    [['show', 'shop@9'], ExitCode.notFound, /no certificate of point 9/],
    [['show', 'shop'], ExitCode.usage, /is not SET@POINT/],
  ])('%j: exits with %i and says why', async (argv, code, message) => {
    const run = await replica.run(['certificate', ...argv], { folder });
    expect(run.err).toMatch(message);
    expect(run.code).toBe(code);
  });
});

describe('certificate show', () => {
  it('a point: digest, chain, what was checked, who signed', async () => {
    certifier.recordCheck('shop', { points: [2], check: 'data', timeMs: 5, findings: 0 });
    const { out, code } = await replica.run(['certificate', 'show', 'shop@latest']);
    expect(code).toBe(ExitCode.ok);
    expect(out).toMatch(/^point +shop@2 of /m);
    expect(out).toMatch(/^digest +[0-9a-f]{64}$/m);
    expect(out).toMatch(/^checked +seal, .*: good$/m);
    expect(out).toMatch(/^checked +data, .*: good$/m);
    expect(out).toContain(certifier.publicKey);
  });

  it('a point that is gone: its certificate, and by which policy it went', async () => {
    await cutAndPrune();
    const { out, code } = await replica.run(['certificate', 'show', 'shop@1']);
    expect(code).toBe(ExitCode.ok);
    expect(out).toMatch(/^point +shop@1 of /m);
    expect(out).toMatch(/^policy +keep last 2$/m);
    expect(out).toMatch(/^removed +.* by schedule$/m);
  });

  it('an entry that was altered in the catalog: is said, and exits with 1', async () => {
    const catalog = new Database(path.join(folder, 'catalog.db'));
    catalog.exec("UPDATE certificates SET text = replace(text, 'crash', 'application')");
    catalog.close();
    const run = await replica.run(['certificate', 'show', 'shop@1']);
    expect(run.out).toMatch(/SIGNATURE DOES NOT FIT/);
    expect(run.code).toBe(ExitCode.mismatch);
  });
});

describe('verify', () => {
  it('what it found: is in the chain', async () => {
    expect((await replica.run(['verify', 'shop'])).code).toBe(ExitCode.ok);
    const entries = certifier.ofPoint('shop', 1);
    expect(entries.at(-1)?.text).toContain('"check":"index"');
    expect(entries.at(-1)?.text).toContain('"points":[[1,2]]');
  });
});
