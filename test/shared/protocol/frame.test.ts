import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { compressBody, decompressBody, sampledEntropy } from '../../../shared/protocol/compress.js';
import { crc32c } from '../../../shared/protocol/crc32c.js';
import {
  BODY_BYTES_MAX,
  decodeMessage,
  encodeHeader,
  encodeUnsealed,
  type Header,
  HEADER_BYTES,
  TAG_BYTES,
} from '../../../shared/protocol/frame.js';
import { FRAME_BYTES_MAX } from '../../../shared/limits.js';
import { seededRandom } from '../../../shared/transport/memory.js';

const header: Header = {
  type: 'records',
  compressed: false,
  restart: false,
  session: 'ffeeddccbbaa9988',
  sequence: Number.MAX_SAFE_INTEGER,
  counter: 2 ** 40 + 5,
  recordCount: 2,
  rawLength: 20,
  bodyLength: 20,
};
const messageOf = (changed: Partial<Header> = {}, bytes = 20 + TAG_BYTES) =>
  Buffer.concat([encodeHeader({ ...header, ...changed }), Buffer.alloc(bytes, 5)]);
const malformed = expect.objectContaining({ code: 'frame-malformed' }) as Error;

/** `message` with a header byte changed and a checksum that fits. */
function patched(message: Buffer, offset: number, value: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt8(value, offset);
  copy.writeUInt32LE(crc32c(copy, 0, 44), 44);
  return copy;
}

describe('frame', () => {
  test('checksum: CRC-32C as published, of a whole and of a part', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.from('xx123456789yy'), 2, 11)).toBe(0xe3069283);
  });

  test('frame: a message decodes to what was encoded', () => {
    const message = decodeMessage(messageOf({ restart: true }));
    expect(message.header).toEqual({ ...header, restart: true });
    expect(message.headerBytes).toHaveLength(HEADER_BYTES);
    expect([message.body.length, message.tag.length]).toEqual([20, TAG_BYTES]);
    const hello = decodeMessage(encodeUnsealed('hello', Buffer.from('plain')));
    expect(Buffer.from(hello.body).toString()).toBe('plain');
    expect(hello.tag).toHaveLength(0);
  });

  test('frame: the fields lie where the format says', () => {
    const bytes = messageOf({ type: 'ack', compressed: true });
    expect(bytes.toString('latin1', 0, 4)).toBe('AFIF');
    expect([bytes[4], bytes[5], bytes.readUInt16LE(6)]).toEqual([1, 3, 1]);
    expect(bytes.toString('hex', 8, 16)).toBe(header.session);
    expect(bytes.readBigUInt64LE(16)).toBe(BigInt(header.sequence));
    expect(bytes.readBigUInt64LE(24)).toBe(BigInt(header.counter));
    expect([32, 36, 40].map((offset) => bytes.readUInt32LE(offset))).toEqual([2, 20, 20]);
  });

  test('frame: whatever breaks a bound is malformed', () => {
    const good = messageOf();
    const bad: Record<string, Buffer> = {
      empty: Buffer.alloc(0),
      'cut in the header': good.subarray(0, HEADER_BYTES - 1),
      'cut in the tag': good.subarray(0, -1),
      'too long': Buffer.concat([good, Buffer.alloc(1)]),
      'longer than a frame': Buffer.alloc(FRAME_BYTES_MAX + 1),
      'another magic': patched(good, 0, 0x42),
      'another version': patched(good, 4, 2),
      'unknown type': patched(good, 5, 99),
      'unknown flag': patched(good, 6, 4),
      'a sequence past 53 bits': patched(good, 23, 0x20),
      'two lengths': messageOf({ rawLength: 21 }),
      'more records than bytes': messageOf({ recordCount: 21 }),
      'a raw length past the bound': messageOf({
        compressed: true,
        rawLength: BODY_BYTES_MAX + 1,
      }),
      'no checksum': Buffer.concat([good.subarray(0, 44), Buffer.alloc(40)]),
    };
    for (const [what, bytes] of Object.entries(bad)) {
      expect(() => decodeMessage(bytes), what).toThrow(malformed);
    }
  });

  test('frame: noise never gets through and never throws anything else', () => {
    const random = seededRandom(11);
    for (let round = 0; round < 2000; round += 1) {
      const bytes = randomBytes(Math.floor(random() * 300));
      expect(() => decodeMessage(bytes)).toThrow(malformed);
    }
  });

  test('frame: it decodes at any offset of a larger buffer', () => {
    const large = Buffer.concat([Buffer.alloc(3), messageOf(), Buffer.alloc(9)]);
    const view = new Uint8Array(large.buffer, large.byteOffset + 3, large.length - 12);
    expect(decodeMessage(view).header).toEqual(header);
  });
});

describe('compression', () => {
  test('compression: text gets smaller and comes back', () => {
    const raw = Buffer.from('all work and no play makes a dull copy. '.repeat(4000));
    const small = compressBody(raw);
    expect(small?.length).toBeLessThan(raw.length / 4);
    expect(decompressBody(small ?? raw, raw.length).equals(raw)).toBe(true);
  });

  test('compression: random bytes and short ones travel as they are', () => {
    expect(compressBody(randomBytes(256 * 1024))).toBe(undefined);
    expect(compressBody(Buffer.alloc(255))).toBe(undefined);
  });

  test('compression: the sample tells text from noise', () => {
    expect(sampledEntropy(randomBytes(64 * 1024))).toBeGreaterThan(7.6);
    expect(sampledEntropy(Buffer.alloc(64 * 1024))).toBe(0);
    expect(sampledEntropy(Buffer.from('ab'.repeat(1000)))).toBeCloseTo(1);
    expect(sampledEntropy(Buffer.alloc(0))).toBe(0);
  });

  test('compression: a body that is not what it says is malformed, and allocates no more', () => {
    const raw = Buffer.alloc(100_000, 3);
    const small = compressBody(raw) ?? raw;
    for (const [body, length] of [
      [small, raw.length - 1],
      [small, raw.length + 1],
      [small.subarray(0, -1), raw.length],
      [Buffer.concat([small, small]), raw.length],
      [randomBytes(100), 100],
      [Buffer.alloc(0), 0],
    ] as const) {
      expect(() => decompressBody(body, length)).toThrow(malformed);
    }
  });
});
