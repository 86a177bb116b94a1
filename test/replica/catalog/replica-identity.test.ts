/** The replica's own keys, while they change (R23). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  loadOrCreateReplicaIdentity,
  retireReplicaKeys,
  rotateReplicaKeys,
} from '../../../replica/catalog/replica-identity.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-replica-identity-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const raw = (keys: readonly { readonly publicKey: Buffer }[]) =>
  keys.map(({ publicKey }) => publicKey.toString('hex'));

describe('replica identity', () => {
  test('keys: what a running replica retires leaves the key that agents know of one made meanwhile (R23)', () => {
    const first = loadOrCreateReplicaIdentity(folder);
    const running = rotateReplicaKeys(folder, { brokerUser: 'keep' });
    expect(raw(running.olderKeys)).toEqual(raw([first.keys]));
    const newest = rotateReplicaKeys(folder, { brokerUser: 'keep' });
    const left = retireReplicaKeys(folder, running.olderKeys);
    expect(raw([left.keys])).toEqual(raw([newest.keys]));
    expect(raw(left.olderKeys)).toEqual(raw([running.keys]));
    expect(raw(retireReplicaKeys(folder).olderKeys)).toEqual([]);
    expect(raw([loadOrCreateReplicaIdentity(folder).keys])).toEqual(raw([newest.keys]));
  });
});
