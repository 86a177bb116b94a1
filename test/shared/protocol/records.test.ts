import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { BLOCK_BYTES, PAGE_BYTES } from '../../../shared/limits.js';
import { ByteReader, ByteWriter } from '../../../shared/protocol/bytes.js';
import { maskedBytes } from '../../../shared/protocol/content-records.js';
import { copyReceived, ManifestDigest, nextChain } from '../../../shared/protocol/manifest.js';
import {
  decodeReceived,
  decodeRecords,
  decodeXattrs,
  encodeRecord,
  encodeXattrs,
  isEntryName,
  type NodeRecord,
  type SyncRecord,
} from '../../../shared/protocol/records.js';

const malformed = expect.objectContaining({ code: 'frame-malformed' }) as Error;
const digest = Buffer.alloc(32, 0xd1);
const far = 2 ** 52 + 3;

const node: NodeRecord = {
  type: 'node',
  node: far,
  kind: 'file',
  mode: 0o4755,
  uid: 0xffff_ffff,
  gid: 7,
  size: 2 ** 47,
  mtimeNs: -1_234_567_890_123_456_789n,
  rdev: 0,
  target: Buffer.alloc(0),
  xattrs: [
    { name: Buffer.from('user.a'), value: Buffer.from([0, 255, 10]) },
    { name: Buffer.from('user.empty'), value: Buffer.alloc(0) },
  ],
  body: 'keep',
};

const records: SyncRecord[] = [
  {
    type: 'begin',
    sync: 1,
    parentPoint: far,
    parentChain: Buffer.alloc(32, 1),
    incarnation: Buffer.alloc(16, 2),
    startedMs: 1_700_000_000_000,
  },
  node,
  {
    ...node,
    kind: 'symlink',
    body: 'none',
    size: 0,
    xattrs: [],
    target: Buffer.from([0xff, 0x2f, 0x41]),
  },
  { ...node, kind: 'char', body: 'none', size: 0, rdev: 0x0103, xattrs: [] },
  { type: 'link', parent: 1, name: Buffer.from([0xff, 0x0a]), node: 2 },
  { type: 'unlink', parent: 1, name: Buffer.alloc(255, 0x61) },
  { type: 'block', node: 2, block: 0xffff_fffe, digest, bytes: Buffer.alloc(BLOCK_BYTES, 5) },
  {
    type: 'pages',
    node: 2,
    block: 1,
    digest,
    length: PAGE_BYTES + 10,
    mask: 0b10,
    bytes: Buffer.alloc(10, 6),
  },
  { type: 'zero', node: 2, block: 2, count: 1000 },
  { type: 'same', node: 2, block: 3, count: 1 },
  { type: 'copy', node: 2, block: 4, digest, length: 1 },
  {
    type: 'splice',
    node: 2,
    block: 5,
    digest,
    length: 300,
    source: 9,
    segments: [
      { type: 'old', offset: far, length: 200 },
      { type: 'literal', bytes: Buffer.alloc(100, 7) },
    ],
  },
  { type: 'end', sync: 1, outcome: Buffer.from('{"a":1}') },
];

function encode(...some: SyncRecord[]): Buffer {
  const writer = new ByteWriter(16);
  for (const record of some) encodeRecord(writer, record);
  return writer.copy();
}

describe('records', () => {
  test('records: every type decodes to what was encoded, one after the other', () => {
    expect([...decodeRecords(encode(...records))]).toEqual(records);
  });

  test('records: a run that is cut anywhere is malformed, never something else', () => {
    const bytes = encode(...records.filter(({ type }) => type !== 'block'));
    const whole = new Set<number>();
    for (let end = 0, writer = new ByteWriter(16); end < records.length; end += 1) {
      const record = records[end];
      if (record === undefined || record.type === 'block') continue;
      encodeRecord(writer, record);
      whole.add(writer.length);
    }
    for (let length = 1; length < bytes.length; length += 1) {
      if (whole.has(length)) continue;
      expect(() => [...decodeRecords(bytes.subarray(0, length))]).toThrow(malformed);
    }
  });

  test('records: what breaks a rule of its type is malformed', () => {
    const bad: Record<string, SyncRecord> = {
      'a name with a slash': { type: 'link', parent: 1, name: Buffer.from('a/b'), node: 2 },
      'the name ..': { type: 'unlink', parent: 1, name: Buffer.from('..') },
      'an empty name': { type: 'unlink', parent: 1, name: Buffer.alloc(0) },
      'a folder with a body': { ...node, kind: 'folder', body: 'new' },
      'a file without': { ...node, body: 'none' },
      'a mode past permission bits': { ...node, mode: 0o10000 },
      'a symlink to nowhere': { ...node, kind: 'symlink', body: 'none' },
      'a block of no bytes': { type: 'copy', node: 2, block: 0, digest, length: 0 },
      'a block past its size': { type: 'copy', node: 2, block: 0, digest, length: BLOCK_BYTES + 1 },
      'pages that do not fill their mask': {
        type: 'pages',
        node: 2,
        block: 0,
        digest,
        length: BLOCK_BYTES,
        mask: 0b11,
        bytes: Buffer.alloc(PAGE_BYTES),
      },
      'segments that do not fill their block': {
        type: 'splice',
        node: 2,
        block: 0,
        digest,
        length: 10,
        source: 3,
        segments: [{ type: 'old', offset: 0, length: 9 }],
      },
    };
    for (const [what, record] of Object.entries(bad)) {
      expect(() => [...decodeRecords(encode(record))], what).toThrow(malformed);
    }
    expect(() => [...decodeRecords(Buffer.from([99, 0, 0, 0, 0]))]).toThrow(malformed);
  });

  test('records: bytes of a mask count short last pages as they are', () => {
    expect(maskedBytes(0xffff, BLOCK_BYTES)).toBe(BLOCK_BYTES);
    expect(maskedBytes(0b101, 2 * PAGE_BYTES + 1)).toBe(PAGE_BYTES + 1);
    expect(maskedBytes(0b1000, PAGE_BYTES)).toBe(0);
  });

  test('names: those that could leave their folder are none', () => {
    for (const name of ['a', '...', '.a', '\n', 'ü'])
      expect(isEntryName(Buffer.from(name))).toBe(true);
    for (const name of ['', '.', '..', '/', 'a/', 'a\0']) {
      expect(isEntryName(Buffer.from(name))).toBe(false);
    }
    expect(isEntryName(Buffer.alloc(256, 0x61))).toBe(false);
  });

  test('attributes: they come back, and a cut one is malformed', () => {
    for (const name of ['', 'user.\0x', `user.${'n'.repeat(300)}`]) {
      const odd = encodeXattrs([{ name: Buffer.from(name), value: Buffer.from('v') }]);
      expect(() => decodeXattrs(odd)).toThrow(
        expect.objectContaining({ code: 'frame-malformed' }) as Error,
      );
    }
    expect(decodeXattrs(encodeXattrs(node.xattrs))).toEqual(node.xattrs);
    const bytes = encodeXattrs(node.xattrs);
    for (const length of [5, 8, bytes.length - 1]) {
      expect(() => decodeXattrs(bytes.subarray(0, length))).toThrow(malformed);
    }
  });
});

describe('bytes', () => {
  test('bytes: numbers at their bounds come back, larger ones are malformed', () => {
    const writer = new ByteWriter(1);
    writer.u53(Number.MAX_SAFE_INTEGER);
    writer.i64(-(2n ** 63n));
    writer.short(Buffer.from('ab'));
    const reader = new ByteReader(writer.view());
    expect(reader.u53()).toBe(Number.MAX_SAFE_INTEGER);
    expect(reader.i64()).toBe(-(2n ** 63n));
    expect(() => reader.short(1)).toThrow(malformed);
    expect(() => new ByteReader(Buffer.alloc(8, 0xff)).u53()).toThrow(malformed);
    expect(() => {
      new ByteReader(Buffer.alloc(1)).end();
    }).toThrow(malformed);
  });

  test('bytes: what is taken is not written over', () => {
    const writer = new ByteWriter(8);
    writer.u32(1);
    const taken = writer.take(Buffer.alloc(8));
    writer.u32(2);
    expect([taken.readUInt32LE(0), writer.view().readUInt32LE(0)]).toEqual([1, 2]);
  });
});

describe('manifest', () => {
  const digestOf = (some: readonly SyncRecord[]) => {
    const manifest = new ManifestDigest();
    for (const record of some) manifest.add(record);
    return manifest.digest().toString('hex');
  };

  test('manifest: literal bytes do not count, their digests do', () => {
    const other = records.map((record) =>
      record.type === 'block' ? { ...record, bytes: Buffer.alloc(3) } : record,
    );
    expect(digestOf(other)).toBe(digestOf(records));
    const changed = records.map((record) =>
      record.type === 'block' ? { ...record, digest: Buffer.alloc(32) } : record,
    );
    expect(digestOf(changed)).not.toBe(digestOf(records));
  });

  test('manifest: begin starts it anew, and what comes can be asked for before', () => {
    const manifest = new ManifestDigest();
    manifest.add({ type: 'zero', node: 9, block: 9, count: 9 });
    for (const record of records.slice(0, -1)) manifest.add(record);
    const [end] = records.slice(-1);
    if (end === undefined) throw new Error('an end');
    const asked = manifest.digestWith(end);
    expect(manifest.digestWith(end)).toEqual(asked);
    manifest.add(end);
    expect(manifest.digest()).toEqual(asked);
    expect(asked.toString('hex')).toBe(digestOf(records));
  });

  test('manifest: a record that is encoded already counts as one that is not, of every kind', () => {
    const manifest = new ManifestDigest();
    const frame = new ByteWriter(16);
    for (const record of records) {
      const start = frame.length;
      encodeRecord(frame, record);
      manifest.addEncodedRecord(record, frame, start);
    }
    expect(manifest.digest().toString('hex')).toBe(digestOf(records));
  });

  test('manifest: a record as it came counts as one that is encoded again, of every kind', () => {
    const frame = new ByteWriter(16);
    for (const record of records) encodeRecord(frame, record);
    const received = new ByteWriter(16);
    for (const { record, encoded } of decodeReceived(frame.view()))
      copyReceived(received, record, encoded);
    const manifest = new ManifestDigest();
    manifest.addEncoded(received.view(), { begins: true });
    expect(manifest.digest().toString('hex')).toBe(digestOf(records));
  });

  test('bytes: whole numbers of 64 bits come back, with sign', () => {
    const wholes = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 1_700_000_000_123_456_789n];
    const writer = new ByteWriter();
    for (const whole of wholes) writer.i64(whole);
    expect(wholes.map((_, at) => writer.view().readBigInt64LE(at * 8))).toEqual(wholes);
    const reader = new ByteReader(writer.view());
    expect(wholes.map(() => reader.i64())).toEqual(wholes);
  });

  test('manifest: the chain hangs on parent, manifest and incarnation', () => {
    const [parent, manifest, incarnation] = [digest, Buffer.alloc(32, 1), Buffer.alloc(16, 2)];
    const expected = createHash('sha256')
      .update(Buffer.concat([parent, manifest, incarnation]))
      .digest();
    expect(nextChain(parent, manifest, incarnation)).toEqual(expected);
  });
});
