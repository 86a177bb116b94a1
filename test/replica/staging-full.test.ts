/**
 * SQLite that cannot write takes its whole transaction back, by itself, and then goes on with rows
 * of its own: a sync must not be sealed without the rows that went with it.
 */
import fs from 'node:fs';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SET_NODE, type SyncRecord } from '../../shared/protocol/records.js';
import { intentFolders } from '../../replica/stage/intent-db.js';
import { KnownBlocks } from '../../replica/stage/known-blocks.js';
import { ParentState } from '../../replica/stage/parent-state.js';
import { Staging } from '../../replica/stage/staging.js';
import { core, encode, fileRecords, link, Nodes, pattern, SmallSet } from './support/small-set.js';

let small: SmallSet;
let staging: Staging;

const begin: SyncRecord & { type: 'begin' } = {
  type: 'begin',
  sync: 9,
  parentPoint: 2,
  parentChain: Buffer.alloc(32),
  incarnation: Buffer.alloc(16),
  startedMs: 1,
};
const file = (node: number): Buffer =>
  encode(fileRecords({ node, parent: SET_NODE, name: `f${node}`, content: pattern(100, node) }));

beforeEach(async () => {
  small = await SmallSet.create();
  const { source } = small.open.store;
  staging = Staging.begin(
    {
      folders: intentFolders(fs.mkdtempSync(small.at('staging-'))),
      core,
      posix: loadPosix(),
      source,
      parent: new ParentState(source),
      known: () => new KnownBlocks(small.open.store, () => []),
      admit: () => undefined,
    },
    { boot: '0'.repeat(32), record: begin, allowance: undefined },
  );
});
afterEach(async () => {
  staging.close();
  await small.close();
});

describe('staging', () => {
  test('staging: frames after rows were lost are refused, and so is sealing', async () => {
    await staging.take({ sequence: 1, body: encode([begin]) });
    await staging.take({ sequence: 2, body: file(60) });
    staging.intent.db.exec('ROLLBACK');
    await expect(staging.take({ sequence: 3, body: file(61) })).rejects.toMatchObject({
      code: 'record-refused',
    });
    expect(() => {
      staging.commitRows();
    }).toThrow('rows of the sync were lost');
  });

  test('staging: a frame that failed and is taken again is in the manifest once', async () => {
    await staging.take({ sequence: 1, body: encode([begin]) });
    const good = staging.manifestDigest;
    const { db } = staging.intent;
    db.exec(
      "CREATE TRIGGER full BEFORE INSERT ON manifest_record BEGIN SELECT RAISE(FAIL, 'full'); END",
    );
    const body = encode([link(Nodes.folder, 'again', Nodes.other)]);
    await expect(staging.take({ sequence: 2, body })).rejects.toThrow('full');
    expect(staging.manifestDigest).toEqual(good);
    db.exec('DROP TRIGGER full');
    await staging.take({ sequence: 2, body });
    expect(
      staging.intent.all<{ frame: number }>('SELECT frame FROM manifest_record ORDER BY seq'),
    ).toEqual([{ frame: 1 }, { frame: 2 }]);
  });

  test('staging: rows handed to the file in time are kept', async () => {
    await staging.take({ sequence: 1, body: encode([begin]) });
    staging.commitRows();
    await staging.take({ sequence: 2, body: file(60) });
    staging.commitRows();
    await staging.take({ sequence: 3, body: file(61) });
    expect(staging.intent.all<{ id: number }>('SELECT id FROM node ORDER BY id')).toEqual([
      { id: 60 },
      { id: 61 },
    ]);
  });
});
