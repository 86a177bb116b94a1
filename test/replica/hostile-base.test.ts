/** Something is planted in the base between two syncs: nothing outside is ever written to. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SET_NODE, type SyncRecord } from '../../shared/protocol/records.js';
import {
  blockRecords,
  FILE_BYTES,
  fileRecords,
  link,
  nodeRecord,
  Nodes,
  pattern,
  SmallSet,
  unlink,
} from './support/small-set.js';

let small: SmallSet;
let outside: string;
let before: string;

beforeEach(async () => {
  small = await SmallSet.create();
  outside = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-outside-'));
  fs.writeFileSync(path.join(outside, 'file'), pattern(FILE_BYTES, 1));
  fs.mkdirSync(path.join(outside, 'inner'));
  before = described(outside);
});
afterEach(async () => {
  await small.close();
  fs.rmSync(outside, { recursive: true, force: true });
});

/** Names, kinds, times, modes and contents below a folder. */
function described(folder: string): string {
  const lines = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => {
    const at = path.join(folder, name);
    const { mode, mtimeMs, size } = fs.lstatSync(at);
    const content = fs.lstatSync(at).isFile() ? fs.readFileSync(at, 'latin1') : '';
    return [name, mode, mtimeMs, size, content].join(' ');
  });
  return lines.sort().join('\n');
}

/** A folder or file of the base gives way to a link; returns how to put things right again. */
function plant(names: readonly string[], target: string): () => void {
  const there = small.at('base', ...names);
  const aside = path.join(small.folder, 'aside');
  fs.renameSync(there, aside);
  fs.symlinkSync(target, there);
  return () => {
    fs.unlinkSync(there);
    fs.renameSync(aside, there);
  };
}

const attacks: readonly { what: string; records: () => SyncRecord[] }[] = [
  {
    what: 'a new file',
    records: () =>
      fileRecords({ node: 60, parent: Nodes.folder, name: 'new', content: pattern(9, 1) }),
  },
  {
    what: 'a new file in the name of another',
    records: () =>
      fileRecords({ node: 60, parent: Nodes.folder, name: 'file', content: pattern(9, 1) }),
  },
  {
    what: 'a new folder',
    records: () => [nodeRecord({ node: 60, kind: 'folder' }), link(Nodes.folder, 'new', 60)],
  },
  {
    what: 'a new link',
    records: () => [nodeRecord({ node: 60, kind: 'symlink' }), link(Nodes.folder, 'new', 60)],
  },
  { what: 'a hard link', records: () => [link(Nodes.folder, 'hard', Nodes.other)] },
  {
    what: 'other times of a folder',
    records: () => [nodeRecord({ node: Nodes.inner, kind: 'folder', mtimeNs: 77n })],
  },
  {
    what: 'a folder that moves in',
    records: () => [
      nodeRecord({ node: 60, kind: 'folder' }),
      link(SET_NODE, 'there', 60),
      unlink(Nodes.folder, 'inner'),
      link(60, 'inner', Nodes.inner),
    ],
  },
];

describe('apply', () => {
  test.for(attacks)(
    'apply: a folder that a link replaced is never entered for $what, and says so',
    async ({ records }) => {
      const putRight = plant(['folder'], outside);
      await expect(small.send(records())).rejects.toMatchObject({ code: 'path-escapes' });
      expect(described(outside)).toBe(before);
      expect(small.open.writer.status.stalled?.code).toBe('path-escapes');
      expect(small.point).toBe(2);
      putRight();
      await vi.waitFor(
        () => {
          expect(small.point).toBe(3);
        },
        { timeout: 5000 },
      );
      expect(await small.wrongPoints()).toEqual([]);
      expect(described(outside)).toBe(before);
    },
  );

  test('set writer: a link in the place of a file is never read, nor written through', async () => {
    // Same bytes outside, so that the patch would fit.
    plant(['folder', 'file'], path.join(outside, 'file'));
    await small.reopen();
    const content = pattern(FILE_BYTES, 1);
    content.fill(7, 0, 5000);
    const sync = small.send([
      nodeRecord({ node: Nodes.file, size: FILE_BYTES, body: 'keep' }),
      ...blockRecords(Nodes.file, content).slice(0, 1),
    ]);
    await expect(sync).rejects.toMatchObject({ code: 'path-escapes' });
    expect(described(outside)).toBe(before);
    await expect(small.wrongPoints()).rejects.toMatchObject({ code: 'damaged' });
  });

  test('apply: a link planted while a patch is applied is never written through', async () => {
    // The body is open from sealing on; apply opens the name anew.
    const content = pattern(FILE_BYTES, 1);
    content.fill(7, 0, 5000);
    const frames = small.framed([
      nodeRecord({ node: Nodes.file, size: FILE_BYTES, body: 'keep' }),
      ...blockRecords(Nodes.file, content).slice(0, 1),
    ]);
    let putRight: (() => void) | undefined;
    small.open.writer.onEvent((event) => {
      if (event.type === 'sealed') putRight = plant(['folder', 'file'], path.join(outside, 'file'));
    });
    await expect(small.sendFrames(frames)).rejects.toMatchObject({ code: 'path-escapes' });
    expect(described(outside)).toBe(before);
    putRight?.();
    await vi.waitFor(
      () => {
        expect(small.point).toBe(3);
      },
      { timeout: 5000 },
    );
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('set writer: a set that stalls at start opens all the same, and goes on when it can', async () => {
    const putRight = plant(['folder'], outside);
    const records = fileRecords({
      node: 60,
      parent: Nodes.folder,
      name: 'x',
      content: pattern(9, 1),
    });
    await expect(small.send(records)).rejects.toMatchObject({ code: 'path-escapes' });
    await small.reopen();
    expect(small.open.writer.status).toMatchObject({ state: 'applying' });
    expect(small.open.writer.status.stalled?.code).toBe('path-escapes');
    expect(small.point).toBe(2);
    // What lies behind the link is not there: an error, at once, and never the link's bytes.
    await expect(small.wrongPoints()).rejects.toMatchObject({ code: 'damaged' });
    putRight();
    await vi.waitFor(
      () => {
        expect(small.point).toBe(3);
      },
      { timeout: 5000 },
    );
    expect(await small.wrongPoints()).toEqual([]);
  });
});
