/** Records that an agent must not send: each is refused by name, and base and points stand. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { FILE_BYTES_MAX } from '../../shared/limits.js';
import { ByteWriter } from '../../shared/protocol/bytes.js';
import { encodeRecord, SET_NODE, type SyncRecord } from '../../shared/protocol/records.js';
import {
  blockRecords,
  core,
  encode,
  FILE_BYTES,
  fileRecords,
  link,
  nodeRecord,
  Nodes,
  pattern,
  SmallSet,
  unlink,
} from './support/small-set.js';

// One set takes it all, one after the other: what stands must stand at the end too.
let small: SmallSet;
beforeAll(async () => {
  small = await SmallSet.create();
});
afterAll(async () => {
  await small.close();
});

/** The sync is refused with this code; then everything stands, and the next sync is good. */
async function expectRefused(frames: readonly Buffer[], code: string): Promise<void> {
  const { point } = small;
  const event = await small.sendFrames(frames);
  expect(event.type === 'refused' ? event.error.code : event.type).toBe(code);
  expect(small.point).toBe(point);
  expect(await small.wrongPoints()).toEqual([]);
  expect(await small.goodSync()).toEqual([]);
  await vi.waitFor(() => {
    expect(small.strays()).toEqual([]);
  });
}

/** A link record whose name the encoder would never be given. */
function rawName(name: Buffer): Buffer {
  const writer = new ByteWriter();
  encodeRecord(writer, { type: 'link', parent: SET_NODE, name, node: Nodes.file });
  return writer.copy();
}

const far = { node: 50, parent: SET_NODE, name: 'far' };
const digestOf = (bytes: Buffer): Buffer => core.digest(bytes);
const lying = pattern(1000, 9);

const refusals: readonly { what: string; code: string; records: readonly SyncRecord[] }[] = [
  {
    what: 'a digest that is not that of its block',
    code: 'digest-mismatch',
    records: [
      nodeRecord({ node: 50, size: 1000 }),
      { type: 'block', node: 50, block: 0, digest: digestOf(pattern(1000, 8)), bytes: lying },
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'a digest that is not what its pages make of the old block',
    code: 'digest-mismatch',
    records: [
      nodeRecord({ node: Nodes.file, size: FILE_BYTES, body: 'keep' }),
      {
        type: 'pages',
        node: Nodes.file,
        block: 0,
        digest: digestOf(pattern(65_536, 8)),
        length: 65_536,
        mask: 2,
        bytes: pattern(4096, 9),
      },
    ],
  },
  {
    what: 'a copy of a block that nobody has',
    code: 'digest-mismatch',
    records: [
      nodeRecord({ node: 50, size: 1000 }),
      { type: 'copy', node: 50, block: 0, digest: digestOf(pattern(1000, 77)), length: 1000 },
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'spliced bytes that do not come to their digest',
    code: 'digest-mismatch',
    records: [
      nodeRecord({ node: 50, size: 10 }),
      {
        type: 'splice',
        node: 50,
        block: 0,
        digest: digestOf(lying),
        length: 10,
        source: Nodes.file,
        segments: [{ type: 'old', offset: 0, length: 10 }],
      },
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'a splice of bytes past the end of its source',
    code: 'digest-mismatch',
    records: [
      nodeRecord({ node: 50, size: 10 }),
      {
        type: 'splice',
        node: 50,
        block: 0,
        digest: digestOf(lying),
        length: 10,
        source: Nodes.file,
        segments: [{ type: 'old', offset: 2 ** 52, length: 10 }],
      },
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'blocks "same" as those of a file that is not there',
    code: 'digest-mismatch',
    records: [
      nodeRecord({ node: 50, size: FILE_BYTES_MAX }),
      { type: 'same', node: 50, block: 0, count: 0xffff_fff0 },
      link(SET_NODE, 'far', 50),
    ],
  },
  { what: 'node 0', code: 'record-refused', records: [nodeRecord({ node: 0 })] },
  {
    what: 'the node of the set itself',
    code: 'record-refused',
    records: [nodeRecord({ node: SET_NODE, kind: 'folder' })],
  },
  {
    what: 'a name for the set itself',
    code: 'record-refused',
    records: [link(Nodes.folder, 'again', SET_NODE)],
  },
  {
    what: 'a name in folder 0',
    code: 'record-refused',
    records: [link(0, 'x', Nodes.file)],
  },
  {
    what: 'a dead node that comes back',
    code: 'record-refused',
    records: fileRecords({ ...far, node: Nodes.dead, content: pattern(10, 1) }),
  },
  {
    what: 'a name for a dead node',
    code: 'record-refused',
    records: [link(SET_NODE, 'ghost', Nodes.dead)],
  },
  {
    what: 'a name for a node that never was',
    code: 'record-refused',
    records: [link(SET_NODE, 'ghost', 4711)],
  },
  {
    what: 'a folder moved into itself',
    code: 'record-refused',
    records: [unlink(SET_NODE, 'folder'), link(Nodes.folder, 'self', Nodes.folder)],
  },
  {
    what: 'a folder moved below itself',
    code: 'record-refused',
    records: [unlink(SET_NODE, 'folder'), link(Nodes.inner, 'deeper', Nodes.folder)],
  },
  {
    what: 'two new folders inside each other',
    code: 'record-refused',
    records: [
      nodeRecord({ node: 50, kind: 'folder' }),
      nodeRecord({ node: 51, kind: 'folder' }),
      link(50, 'a', 51),
      link(51, 'b', 50),
    ],
  },
  {
    what: 'a folder with two names',
    code: 'record-refused',
    records: [link(SET_NODE, 'twice', Nodes.inner)],
  },
  {
    what: 'a folder removed while it holds names',
    code: 'record-refused',
    records: [unlink(SET_NODE, 'folder')],
  },
  {
    what: 'a name in a file',
    code: 'record-refused',
    records: [link(Nodes.other, 'x', Nodes.file)],
  },
  {
    what: 'a name in a symbolic link',
    code: 'record-refused',
    records: [link(Nodes.symlink, 'x', Nodes.file)],
  },
  {
    what: 'a name in a new folder that has none itself',
    code: 'record-refused',
    records: [nodeRecord({ node: 50, kind: 'folder' }), link(50, 'x', Nodes.file)],
  },
  {
    what: 'a new node that keeps a body',
    code: 'record-refused',
    records: [nodeRecord({ node: 50, size: 10, body: 'keep' }), link(SET_NODE, 'far', 50)],
  },
  {
    what: 'a file that becomes a folder',
    code: 'record-refused',
    records: [nodeRecord({ node: Nodes.file, kind: 'folder' })],
  },
  {
    what: 'a folder that becomes a link',
    code: 'record-refused',
    records: [nodeRecord({ node: Nodes.inner, kind: 'symlink' })],
  },
  {
    what: 'content for a folder',
    code: 'record-refused',
    records: [
      nodeRecord({ node: Nodes.inner, kind: 'folder' }),
      { type: 'zero', node: Nodes.inner, block: 0, count: 1 },
    ],
  },
  {
    what: 'content before its node',
    code: 'record-refused',
    records: blockRecords(Nodes.file, pattern(10, 1)),
  },
  {
    what: 'a new file with a block left out',
    code: 'record-refused',
    records: [
      nodeRecord({ node: 50, size: FILE_BYTES }),
      ...blockRecords(50, pattern(FILE_BYTES, 4)).slice(1),
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'a block longer than its file',
    code: 'record-refused',
    records: [
      nodeRecord({ node: 50, size: 10 }),
      ...blockRecords(50, pattern(11, 4)),
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'a kept file that grows without saying what by',
    code: 'record-refused',
    records: [nodeRecord({ node: Nodes.file, size: FILE_BYTES + 1, body: 'keep' })],
  },
  {
    what: 'a file larger than a file may be',
    code: 'record-refused',
    records: [nodeRecord({ node: 50, size: FILE_BYTES_MAX + 1 })],
  },
  {
    what: 'a new file of zeros larger than the file system can hold',
    code: 'record-refused',
    records: [
      nodeRecord({ node: 50, size: FILE_BYTES_MAX }),
      { type: 'zero', node: 50, block: 0, count: 0xffff_fffe },
      ...blockRecords(50, pattern(1, 1)),
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'a block where the file system can have none',
    code: 'record-refused',
    records: [
      nodeRecord({ node: 50, size: FILE_BYTES_MAX }),
      {
        type: 'block',
        node: 50,
        block: 0xffff_fff0,
        digest: digestOf(lying),
        bytes: lying,
      },
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'a sync inside a sync',
    code: 'record-refused',
    records: [
      nodeRecord({ node: 50 }),
      {
        type: 'begin',
        sync: 4711,
        parentPoint: 0,
        parentChain: Buffer.alloc(32),
        incarnation: Buffer.alloc(16),
        startedMs: 1,
      },
    ],
  },
  {
    what: 'the end of another sync',
    code: 'record-refused',
    records: [{ type: 'end', sync: 4711, outcome: Buffer.from('{}') }],
  },
  {
    what: 'a link without a target',
    code: 'frame-malformed',
    records: [
      nodeRecord({ node: 50, kind: 'symlink', target: Buffer.alloc(0) }),
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'a link target with NUL',
    code: 'frame-malformed',
    records: [
      nodeRecord({ node: 50, kind: 'symlink', target: Buffer.from('a\0b') }),
      link(SET_NODE, 'far', 50),
    ],
  },
  {
    what: 'a link target longer than a link can hold',
    code: 'frame-malformed',
    records: [
      nodeRecord({ node: 50, kind: 'symlink', target: Buffer.alloc(4096, 0x61) }),
      link(SET_NODE, 'far', 50),
    ],
  },
];

describe('set writer', () => {
  test.for(refusals)('set writer: refuses $what, and stands', async ({ records, code }) => {
    await expectRefused(small.framed(records), code);
  });

  test.for([
    ['..', '..'],
    ['.', '.'],
    ['nothing', ''],
    ['a slash', 'a/b'],
    ['an absolute path', '/etc/passwd'],
    ['a way up', '../../outside'],
    ['NUL', 'a\0b'],
    ['256 bytes', 'x'.repeat(256)],
  ])('set writer: refuses the name "%s", and stands', async ([, name]) => {
    const [begin, , end] = small.framed([]);
    const frames = [begin, rawName(Buffer.from(name ?? '')), end];
    await expectRefused(
      frames.map((frame) => frame ?? Buffer.alloc(0)),
      'frame-malformed',
    );
  });

  test('set writer: refuses a sync on top of another point, or of another history', async () => {
    for (const wrong of [
      { parentPoint: 1 },
      { parentPoint: 1000 },
      { parentChain: Buffer.alloc(32, 9) },
    ]) {
      const { point, chain } = small.open.writer.position();
      const begin: SyncRecord = {
        type: 'begin',
        sync: 900,
        parentPoint: point,
        parentChain: chain,
        incarnation: Buffer.alloc(16),
        startedMs: 1,
        ...wrong,
      };
      await expectRefused([encode([begin])], 'parent-mismatch');
    }
  });

  test('set writer: takes what is odd but can be: times out of range, long links, any bytes in names', async () => {
    const oldest = -(2n ** 63n);
    await small.commit([
      ...fileRecords({ ...far, name: '\xff\n\x01 \\', content: pattern(70_000, 6) }),
      nodeRecord({ node: 50, size: 70_000, mtimeNs: 2n ** 63n - 1n }),
      nodeRecord({ node: 51, kind: 'folder', mtimeNs: oldest }),
      link(SET_NODE, 'x'.repeat(255), 51),
      nodeRecord({ node: 52, kind: 'symlink', target: Buffer.alloc(4095, 0x61), mtimeNs: oldest }),
      link(51, 'long', 52),
      nodeRecord({ node: 2 ** 53 - 1, kind: 'char', rdev: 2 ** 40 }),
      link(51, 'device', 2 ** 53 - 1),
    ]);
    const copy = small.copies.at(-1);
    expect(copy?.get('x'.repeat(255))?.mtimeNs).toBe(oldest);
    expect(copy?.get('\xff\n\x01 \\')?.mtimeNs).toBe(2n ** 63n - 1n);
    expect(copy?.get(`${'x'.repeat(255)}/long`)?.target).toHaveLength(4095);
    expect(await small.goodSync()).toEqual([]);
    await small.reopen();
    expect(await small.wrongPoints()).toEqual([]);
    expect(small.strays()).toEqual([]);
  });
});
