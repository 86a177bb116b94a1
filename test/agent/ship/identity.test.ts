import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { enrolIdentity, loadIdentity } from '../../../agent/ship/identity.js';
import { openCatalog } from '../../../replica/catalog/catalog.js';
import { enrollAgent } from '../../../replica/catalog/enroll.js';
import { loadOrCreateReplicaIdentity } from '../../../replica/catalog/replica-identity.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-identity-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function enrolmentFile(): Promise<string> {
  const catalog = openCatalog({ path: ':memory:' });
  const file = join(folder, 'web.enrolment.json');
  await enrollAgent({
    catalog,
    identity: loadOrCreateReplicaIdentity(join(folder, 'replica')),
    tenant: 'acme',
    name: 'web',
    brokerUrl: 'nats://broker.example:4222',
    file,
  });
  catalog.close();
  return file;
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('agent identity', () => {
  test('identity: it is made from an enrolment file, readable by its owner only', async () => {
    const file = await enrolmentFile();
    expect(modeOf(file)).toBe(0o600);
    const home = join(folder, 'agent');
    const identity = enrolIdentity({ enrolmentFile: file, folder: home });
    expect(identity).toMatchObject({ agent: 'web', tenant: 'acme' });
    expect(modeOf(home)).toBe(0o700);
    identity.writeTokens('files', { newest: 'n', confirmed: null });
    for (const name of readdirSync(home, { recursive: true, encoding: 'utf8' })) {
      expect([0o600, 0o700]).toContain(modeOf(join(home, name)));
    }
    expect(identity.readTokens('files')).toEqual({ newest: 'n', confirmed: null });
    expect(identity.readTokens('other')).toBe(null);
  });

  test('identity: the one-time token is forgotten for good once it is spent', async () => {
    const home = join(folder, 'agent');
    const identity = enrolIdentity({ enrolmentFile: await enrolmentFile(), folder: home });
    expect(identity.enrolmentToken()).not.toBe(null);
    identity.enrolled();
    expect(identity.enrolmentToken()).toBe(null);
    expect(loadIdentity(home).enrolmentToken()).toBe(null);
  });

  test('identity: enrolling again for the same replica keeps the key', async () => {
    const home = join(folder, 'agent');
    const first = enrolIdentity({ enrolmentFile: await enrolmentFile(), folder: home });
    const again = enrolIdentity({ enrolmentFile: await enrolmentFile(), folder: home });
    expect(again.keys.publicKey).toEqual(first.keys.publicKey);
    expect(again.enrolmentToken()).not.toBe(first.enrolmentToken());
    expect(again.brokerSeed).not.toBe(first.brokerSeed);
  });

  test('identity: a file that is none, or is not there, is an error of its own', () => {
    const file = join(folder, 'broken.json');
    writeFileSync(file, '{"format": 2}');
    for (const enrolmentFile of [file, join(folder, 'missing.json')]) {
      expect(() => enrolIdentity({ enrolmentFile, folder })).toThrow(
        expect.objectContaining({ code: 'config-unreadable' }),
      );
    }
    expect(() => loadIdentity(join(folder, 'nothing'))).toThrow(
      expect.objectContaining({ code: 'identity-unknown' }),
    );
  });
});
