import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Catalog, openCatalog } from '../../../replica/catalog/catalog.js';
import { loadOrCreateReplicaIdentity } from '../../../replica/catalog/replica-identity.js';
import { newToken } from '../../../shared/seal/token.js';

let folder = '';
let nowMs = 1000;
let catalog: Catalog;
const clock = { now: () => nowMs, monotonic: () => nowMs };
const key = (seed: number) => Buffer.alloc(32, seed);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-catalog-'));
  nowMs = 1000;
  catalog = openCatalog({ path: join(folder, 'catalog.db'), clock });
});
afterEach(() => {
  catalog.close();
  rmSync(folder, { recursive: true, force: true });
});

function addAgent(name: string, token = newToken()): string {
  catalog.addAgent({ name, tenant: 'acme', brokerKey: `U${name}`, token, expiresMs: 5000 });
  return token;
}

const admit = (publicKey: Buffer, enrolment: string | null, agent = 'web') => {
  catalog.admit({ agent, publicKey, enrolment, host: 'h' });
};
const offer = (tokens: string[], host = 'h') =>
  catalog.offerToken({ agent: 'web', set: 'files', tokens, host });
const confirm = (token: string) => {
  catalog.confirmToken({ agent: 'web', set: 'files', token, host: 'h' });
};
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
  return 'none';
};

describe('catalog', () => {
  test('enrolment: a token pins one key, once, and only while it is valid', () => {
    const token = addAgent('web');
    expect(
      codeOf(() => {
        admit(key(1), null);
      }),
    ).toBe('identity-unknown');
    expect(
      codeOf(() => {
        admit(key(1), newToken());
      }),
    ).toBe('identity-unknown');
    admit(key(1), token);
    admit(key(1), null);
    expect(
      codeOf(() => {
        admit(key(2), token);
      }),
    ).toBe('identity-unknown');
    const late = addAgent('mail');
    nowMs = 5000;
    expect(
      codeOf(() => {
        admit(key(3), late, 'mail');
      }),
    ).toBe('identity-unknown');
  });

  test('enrolment: a token of one agent is of no use to another, a newer one voids it', () => {
    const token = addAgent('web');
    addAgent('mail');
    expect(
      codeOf(() => {
        admit(key(1), token, 'mail');
      }),
    ).toBe('identity-unknown');
    const newer = addAgent('web');
    expect(
      codeOf(() => {
        admit(key(1), token);
      }),
    ).toBe('identity-unknown');
    admit(key(1), newer);
  });

  test('tokens: until the new one is confirmed the old one is good, after that it is not', () => {
    admit(key(1), addAgent('web'));
    const first = offer([]);
    expect(first.confirmed).toBe(null);
    confirm(first.token);
    // the welcome is lost, twice
    offer([first.token]);
    const second = offer([first.token]);
    expect(second.confirmed).toBe(0);
    // stored, and the agent crashed before it used it
    const third = offer([second.token, first.token]);
    expect(third.confirmed).toBe(0);
    confirm(third.token);
    expect(codeOf(() => offer([second.token, first.token]))).toBe('identity-in-use');
    expect(codeOf(() => offer([]))).toBe('identity-in-use');
    expect(offer([third.token]).confirmed).toBe(0);
  });

  test('tokens: a replayed HELLO between welcome and first use locks nobody out', () => {
    admit(key(1), addAgent('web'));
    const first = offer([]);
    confirm(first.token);
    const second = offer([first.token]);
    offer([first.token]);
    // the agent shows the one it stored and the one it knows to be confirmed
    expect(offer([second.token, first.token]).confirmed).toBe(1);
  });

  test('tokens: the operator lets a restored machine in again', () => {
    admit(key(1), addAgent('web'));
    const first = offer([]);
    confirm(first.token);
    confirm(offer([first.token]).token);
    expect(codeOf(() => offer([first.token], 'other'))).toBe('identity-in-use');
    catalog.adoptAgent('web');
    expect(offer([first.token]).confirmed).toBe(null);
    catalog.adoptAgent('web', { forgetKey: true });
    expect(
      codeOf(() => {
        admit(key(1), null);
      }),
    ).toBe('identity-unknown');
    admit(key(2), addAgent('web'));
  });

  test('sets: a name belongs to one agent until it is moved or removed', () => {
    for (const name of ['web', 'mail']) admit(key(1), addAgent(name), name);
    catalog.claimSet({ set: 'files', agent: 'web' });
    catalog.claimSet({ set: 'files', agent: 'web' });
    expect(
      codeOf(() => {
        catalog.claimSet({ set: 'files', agent: 'mail' });
      }),
    ).toBe('set-owned');
    catalog.moveSet({ set: 'files', agent: 'mail' });
    expect(catalog.listSets()).toEqual([{ agent: 'mail', set: 'files' }]);
    catalog.removeSet('files');
    catalog.claimSet({ set: 'files', agent: 'web' });
    expect(
      codeOf(() => {
        catalog.moveSet({ set: 'none', agent: 'web' });
      }),
    ).toBe('not-found');
    expect(
      codeOf(() => {
        catalog.claimSet({ set: '../x', agent: 'web' });
      }),
    ).toBe('argument-invalid');
  });

  test('agents: a removed one cannot come in, and its sets keep their owner', () => {
    for (const name of ['web', 'mail']) admit(key(1), addAgent(name), name);
    catalog.claimSet({ set: 'files', agent: 'web' });
    catalog.removeAgent('web');
    catalog.removeAgent('mail');
    expect(
      codeOf(() => {
        admit(key(1), null);
      }),
    ).toBe('identity-unknown');
    expect(catalog.listAgents()).toMatchObject([{ name: 'web', pinned: false, brokerKey: '' }]);
    expect(
      codeOf(() => {
        catalog.removeAgent('mail');
      }),
    ).toBe('not-found');
  });

  test('catalog: it is all there after opening it again, with an audit of what was done', () => {
    admit(key(1), addAgent('web'));
    catalog.claimSet({ set: 'files', agent: 'web' });
    catalog.close();
    catalog = openCatalog({ path: join(folder, 'catalog.db'), clock });
    expect(catalog.listAgents()).toMatchObject([{ name: 'web', pinned: true, seenMs: 1000 }]);
    expect(catalog.listAudit(10).map(({ action }) => action)).toEqual([
      'new-set',
      'pin-key',
      'enroll',
    ]);
  });

  test('catalog: one of another version is not touched', () => {
    const path = join(folder, 'newer.db');
    const newer = new Database(path);
    newer.pragma('user_version = 99');
    newer.close();
    expect(codeOf(() => openCatalog({ path }))).toBe('database-version');
  });
});

describe('replica identity', () => {
  test('identity: made once, the same ever after', () => {
    const first = loadOrCreateReplicaIdentity(join(folder, 'identity'));
    const again = loadOrCreateReplicaIdentity(join(folder, 'identity'));
    expect(again.keys.publicKey).toEqual(first.keys.publicKey);
    expect([again.brokerKey, again.brokerSeed]).toEqual([first.brokerKey, first.brokerSeed]);
    expect(first.brokerKey).toMatch(/^U[A-Z2-7]+$/);
  });
});
