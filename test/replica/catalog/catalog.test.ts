import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Catalog, openCatalog } from '../../../replica/catalog/catalog.js';
import {
  loadOrCreateReplicaIdentity,
  retireReplicaKeys,
  rotateReplicaKeys,
  tokenKeysOf,
} from '../../../replica/catalog/replica-identity.js';
import { RetentionStore } from '../../../replica/retain/retention-store.js';
import { newToken, TokenMint } from '../../../shared/seal/token.js';

let folder = '';
let nowMs = 1000;
let catalog: Catalog;
const clock = { now: () => nowMs, monotonic: () => nowMs };
const tokenKeys = [Buffer.alloc(32, 9)];
const key = (seed: number) => Buffer.alloc(32, seed);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-catalog-'));
  nowMs = 1000;
  catalog = openCatalog({ path: join(folder, 'catalog.db'), clock, tokenKeys });
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
/** As a backup of the catalog would be. */
function copyTo(path: string): void {
  const db = new Database(join(folder, 'catalog.db'));
  db.prepare('VACUUM INTO ?').run(path);
  db.close();
}
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
    catalog.adoptAgent('web', { forgetKey: true });
    expect(
      codeOf(() => {
        admit(key(1), null);
      }),
    ).toBe('identity-unknown');
    admit(key(2), addAgent('web'));
  });

  test('tokens: an adopted machine shuts the other one out, once and within an hour (R14)', () => {
    admit(key(1), addAgent('web'));
    const old = offer([]);
    confirm(old.token);
    const newest = offer([old.token]);
    confirm(newest.token);
    catalog.adoptAgent('web');
    // whoever has the newest token goes on until the other one comes
    const going = offer([newest.token]);
    confirm(going.token);
    const adopted = offer([old.token], 'other');
    // until it uses what it was given, nothing changes: the welcome may be lost
    expect(offer([going.token]).confirmed).toBe(0);
    confirm(adopted.token);
    expect(codeOf(() => offer([going.token, newest.token]))).toBe('identity-in-use');
    expect(codeOf(() => offer([old.token]))).toBe('identity-in-use');
    catalog.adoptAgent('web');
    nowMs += 3600 * 1000;
    expect(codeOf(() => offer([going.token, newest.token]))).toBe('identity-in-use');
    expect(offer([adopted.token]).confirmed).toBe(0);
  });

  test('tokens: a catalog out of an older copy takes newer tokens, and the newest of all wins (R14)', () => {
    admit(key(1), addAgent('web'));
    const shown: string[] = [offer([]).token];
    for (let hello = 0; hello < 6; hello += 1) {
      confirm(shown[0] ?? '');
      if (hello === 2) copyTo(join(folder, 'copy.db'));
      shown.unshift(offer([shown[0] ?? '']).token);
    }
    catalog.close();
    copyFileSync(join(folder, 'copy.db'), join(folder, 'catalog.db'));
    catalog = openCatalog({ path: join(folder, 'catalog.db'), clock, tokenKeys });
    const [newest = '', older = '', cloned = ''] = shown;
    const clone = offer([cloned], 'clone');
    confirm(clone.token);
    const original = offer([newest, older]);
    confirm(original.token);
    expect(codeOf(() => offer([clone.token, cloned], 'clone'))).toBe('identity-in-use');
    expect(offer([original.token]).confirmed).toBe(0);
  });

  test('tokens: a number that the replica did not give to this agent and set counts for nothing (R14)', () => {
    admit(key(1), addAgent('web'));
    confirm(offer([]).token);
    const owner = { agent: 'web', set: 'files' };
    const mint = new TokenMint(tokenKeys);
    const given = mint.issue(500, owner);
    for (const claimed of [
      `999.${newToken()}`,
      given.replace('500.', '501.'),
      new TokenMint([Buffer.alloc(32, 8)]).issue(999, owner),
      mint.issue(999, { ...owner, agent: 'mail' }),
      mint.issue(999, { ...owner, set: 'other' }),
    ]) {
      const tokens = [claimed];
      expect(codeOf(() => offer(tokens))).toBe('identity-in-use');
      expect(catalog.judgeTokens({ ...owner, tokens }).shown).toBe('stale');
    }
    expect(catalog.judgeTokens({ ...owner, tokens: [given] }).shown).toBe('newer');
    expect(mint.numberOf(offer([given]).token, owner)).toBe(501);
  });

  test('tokens: a key of the replica that is not the newest any more still proves numbers (R23)', () => {
    const identity = loadOrCreateReplicaIdentity(join(folder, 'identity'));
    const owner = { agent: 'web', set: 'files' };
    const before = new TokenMint(tokenKeysOf(identity)).issue(7, owner);
    const rotated = rotateReplicaKeys(join(folder, 'identity'), { brokerUser: 'keep' });
    expect(new TokenMint(tokenKeysOf(rotated)).numberOf(before, owner)).toBe(7);
    const retired = retireReplicaKeys(join(folder, 'identity'));
    expect(new TokenMint(tokenKeysOf(retired)).numberOf(before, owner)).toBe(0);
  });

  test('catalog: one from before proofs takes a bare number until the agent has used a proven one', () => {
    admit(key(1), addAgent('web'));
    const bare = `7.${newToken()}`;
    offer([]);
    catalog.close();
    const path = join(folder, 'catalog.db');
    const old = new Database(path);
    old
      .prepare('UPDATE set_tokens SET current_hash = ?, pending_hash = NULL, issued = 7')
      .run(createHash('sha256').update(bare).digest());
    old.exec('ALTER TABLE set_tokens DROP COLUMN proven; PRAGMA user_version = 2');
    old.close();
    catalog = openCatalog({ path, clock, tokenKeys });
    // it was given since that copy was made
    const newer = `9.${newToken()}`;
    expect(codeOf(() => offer([`6.${newToken()}`]))).toBe('identity-in-use');
    const first = offer([newer, `8.${newToken()}`]);
    expect(first.confirmed).toBe(0);
    expect(offer([newer]).confirmed).toBe(0);
    confirm(first.token);
    expect(codeOf(() => offer([`99.${newToken()}`]))).toBe('identity-in-use');
    expect(offer([first.token]).confirmed).toBe(0);
  });

  test('enrolment: enrolling again lets a machine in that has lost its key, and the old one out', () => {
    admit(key(1), addAgent('web'));
    confirm(offer([]).token);
    const again = addAgent('web');
    admit(key(1), null);
    admit(key(2), again);
    expect(offer([]).confirmed).toBe(null);
    expect(
      codeOf(() => {
        admit(key(1), null);
      }),
    ).toBe('identity-unknown');
  });

  test('catalog: one of the first version is taken over with its tokens', () => {
    admit(key(1), addAgent('web'));
    const { token } = offer([]);
    confirm(token);
    catalog.close();
    const path = join(folder, 'catalog.db');
    const old = new Database(path);
    old.exec(`ALTER TABLE set_tokens DROP COLUMN issued;
      ALTER TABLE set_tokens DROP COLUMN adopt_until_ms;
      ALTER TABLE set_tokens DROP COLUMN adopted_hash;
      ALTER TABLE set_tokens DROP COLUMN proven; PRAGMA user_version = 1`);
    old.close();
    catalog = openCatalog({ path, clock, tokenKeys });
    expect(offer([token]).confirmed).toBe(0);
  });

  test('sets: what was to be kept of one goes with it, and a held one stays (R20)', () => {
    admit(key(1), addAgent('web'), 'web');
    catalog.claimSet({ set: 'files', agent: 'web' });
    const store = new RetentionStore(join(folder, 'catalog.db'));
    try {
      store.setPolicy('files', { keepLast: 3, intervalMs: 1000, minAgeMs: 0 }, 1);
      const held = store.hold({ set: 'files', point: 4, reason: 'a court', timeMs: 1 });
      expect(
        codeOf(() => {
          catalog.removeSet('files');
        }),
      ).toBe('argument-invalid');
      expect(store.policy('files')).toBeDefined();
      store.release({ hold: held.hold });
      catalog.removeSet('files');
      expect(store.policy('files')).toBeUndefined();
    } finally {
      store.close();
    }
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
    catalog = openCatalog({ path: join(folder, 'catalog.db'), clock, tokenKeys });
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
