import { describe, expect, it } from 'vitest';
import { type Gcm, portableGcm } from '../../../shared/seal/gcm.js';
import { usableGcms } from '../../../shared/seal/load-gcm.js';
import { Seeded } from '../../support/seeded.js';

const HEADER_BYTES = 48;
const TAG_BYTES = 16;
const MIB = 1024 * 1024;
const CANARY = 0xa5;
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const usable = usableGcms();
for (const by of ['vector AES', 'OpenSSL'] as const) {
  if (usable.some(([name]) => name === by)) continue;
  console.warn(`skipped: sealing by ${by}: the native part here does not have it`);
}

interface Secret {
  readonly key: Buffer;
  readonly nonce: Buffer;
}

const secretOf = (random: Seeded): Secret => ({ key: random.bytes(32), nonce: random.bytes(12) });

function sealedBy(gcm: Gcm, body: Buffer, secret: Secret, header: Buffer): Buffer {
  const message = Buffer.concat([header, Buffer.alloc(body.length + TAG_BYTES)]);
  gcm.seal({ ...secret, body, message, headerBytes: header.length });
  return message;
}

function openedBy(
  gcm: Gcm,
  message: Buffer,
  secret: Secret,
  options: { readonly headerBytes?: number; readonly reuse?: boolean } = {},
): Buffer | undefined {
  const { headerBytes = HEADER_BYTES, reuse = false } = options;
  return gcm.open({
    ...secret,
    header: message.subarray(0, headerBytes),
    sealed: message.subarray(headerBytes, -TAG_BYTES),
    tag: message.subarray(-TAG_BYTES),
    reuse,
  });
}

/** A copy of `bytes` at an odd place of a larger buffer, whose other bytes must stay. */
function amongCanaries(bytes: Buffer, before: number) {
  const whole = Buffer.alloc(before + bytes.length + 64, CANARY);
  bytes.copy(whole, before);
  return {
    bytes: whole.subarray(before, before + bytes.length),
    areWhole: () =>
      whole.subarray(0, before).every((byte) => byte === CANARY) &&
      whole.subarray(before + bytes.length).every((byte) => byte === CANARY),
  };
}

/** Half of them small, a few up to a MiB. */
function lengthOf(random: Seeded): number {
  const most = random.pick([64, 1024, 1024, 16 * 1024, 300 * 1024, MIB]);
  return random.below(most + 1);
}

/** NIST's cases for AES-256-GCM, of the GCM specification (McGrew and Viega), numbers 14 and 16. */
const published = [
  {
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    header: '',
    body: '00'.repeat(16),
    sealed: 'cea7403d4d606b6e074ec5d3baf39d18' + 'd0d1c8a799996bf0265b98b5d48ab919',
  },
  {
    key: 'feffe9928665731c6d6a8f9467308308'.repeat(2),
    nonce: 'cafebabefacedbaddecaf888',
    header: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    body:
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
      '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    sealed:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
      '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
      '76fc6ece0f4e1768cddf8853bb2d551b',
  },
].map((told) => ({
  secret: { key: Buffer.from(told.key, 'hex'), nonce: Buffer.from(told.nonce, 'hex') },
  header: Buffer.from(told.header, 'hex'),
  body: Buffer.from(told.body, 'hex'),
  sealed: Buffer.from(told.sealed, 'hex'),
}));

describe.each(usable)('AES-256-GCM by %s', (_by, gcm) => {
  it.each(published)('seals published case %# as published', (told) => {
    const message = sealedBy(gcm, told.body, told.secret, told.header);
    expect(message.subarray(told.header.length).toString('hex')).toBe(told.sealed.toString('hex'));
  });

  it('seals and opens the same bytes as node:crypto, at every small length', () => {
    const random = new Seeded(SEED);
    const secret = secretOf(random);
    for (let size = 0; size <= 1100; size += 1) {
      const [header, body] = [random.bytes(HEADER_BYTES), random.bytes(size)];
      const message = sealedBy(gcm, body, secret, header);
      const same = message.equals(sealedBy(portableGcm, body, secret, header));
      const opens = openedBy(gcm, message, secret)?.equals(body);
      expect([same, opens], `${size} bytes, seed ${SEED}`).toEqual([true, true]);
    }
  });

  it('seals and opens as node:crypto does, wherever the bytes lie, and writes nothing beside them', () => {
    const random = new Seeded(SEED);
    for (let turn = 0; turn < 120; turn += 1) {
      const about = `turn ${turn}, seed ${SEED}`;
      const [secret, body] = [secretOf(random), random.bytes(lengthOf(random))];
      const header = random.bytes(random.pick([0, 1, 13, 16, 20, HEADER_BYTES, 255, 4096]));
      const expected = sealedBy(portableGcm, body, secret, header);
      const room = Buffer.concat([header, Buffer.alloc(body.length + TAG_BYTES)]);
      const message = amongCanaries(room, 1 + random.below(130));
      const from = amongCanaries(body, 1 + random.below(130));
      gcm.seal({
        ...secret,
        body: from.bytes,
        message: message.bytes,
        headerBytes: header.length,
      });
      expect(message.bytes.equals(expected), about).toBe(true);
      expect([message.areWhole(), from.areWhole(), from.bytes.equals(body)], about).toEqual([
        true,
        true,
        true,
      ]);
      const headerBytes = header.length;
      expect(openedBy(gcm, message.bytes, secret, { headerBytes })?.equals(body), about).toBe(true);
      expect(message.bytes.equals(expected), about).toBe(true);
      const opened = openedBy(gcm, message.bytes, secret, { headerBytes, reuse: true });
      expect(opened?.equals(body), about).toBe(true);
      expect(message.areWhole(), about).toBe(true);
    }
  });

  it('refuses whatever has one bit changed, in header, body or tag, at lengths up to a MiB', () => {
    const random = new Seeded(SEED);
    for (let turn = 0; turn < 60; turn += 1) {
      const [secret, header] = [secretOf(random), random.bytes(HEADER_BYTES)];
      const message = sealedBy(gcm, random.bytes(lengthOf(random)), secret, header);
      const place = random.pick([
        random.below(HEADER_BYTES),
        random.below(message.length),
        message.length - 1 - random.below(TAG_BYTES),
      ]);
      message.writeUInt8(message.readUInt8(place) ^ (1 << random.below(8)), place);
      expect(openedBy(gcm, message, secret), `byte ${place}, seed ${SEED}`).toBeUndefined();
    }
  });

  it('refuses every tag that differs in one bit', () => {
    const random = new Seeded(SEED);
    const [secret, header] = [secretOf(random), random.bytes(HEADER_BYTES)];
    const message = sealedBy(gcm, random.bytes(1000), secret, header);
    for (let bit = 0; bit < TAG_BYTES * 8; bit += 1) {
      const changed = Buffer.from(message);
      const place = message.length - TAG_BYTES + (bit >> 3);
      changed.writeUInt8(changed.readUInt8(place) ^ (1 << (bit & 7)), place);
      expect(openedBy(gcm, changed, secret), `bit ${bit}, seed ${SEED}`).toBeUndefined();
    }
    expect(openedBy(gcm, message, secret)).toBeDefined();
  });

  it.each(['key', 'nonce'] as const)('opens nothing under another %s', (part) => {
    const random = new Seeded(SEED);
    const secret = secretOf(random);
    const message = sealedBy(gcm, random.bytes(1000), secret, random.bytes(HEADER_BYTES));
    secret[part].writeUInt8(secret[part].readUInt8(7) ^ 1, 7);
    expect(openedBy(gcm, message, secret)).toBeUndefined();
  });
});

describe.skipIf(usable.length === 1)(
  'AES-256-GCM of the addon (skipped where it is not built)',
  () => {
    const native = usable.filter(([by]) => by !== 'node:crypto');

    it.each(native)('%s: opens in place when the sealed bytes may be written over', (_by, gcm) => {
      const random = new Seeded(SEED);
      const [secret, body] = [secretOf(random), random.bytes(100_000)];
      const message = sealedBy(gcm, body, secret, random.bytes(HEADER_BYTES));
      const opened = openedBy(gcm, message, secret, { reuse: true });
      expect(opened?.equals(body)).toBe(true);
      expect(opened?.buffer).toBe(message.buffer);
    });

    it.each(native)('%s: refuses sizes that do not fit each other', (_by, gcm) => {
      const random = new Seeded(SEED);
      const [{ key, nonce }, body] = [secretOf(random), random.bytes(100)];
      const header = Buffer.alloc(HEADER_BYTES);
      const message = Buffer.alloc(HEADER_BYTES + 100 + TAG_BYTES - 1);
      expect(() => {
        gcm.seal({ key, nonce, body, message, headerBytes: HEADER_BYTES });
      }).toThrow(/argument 3 must have 164 bytes/);
      const short = { key: key.subarray(1), nonce };
      expect(() => sealedBy(gcm, body, short, header)).toThrow(/argument 0/);
      expect(() => sealedBy(gcm, body, { key, nonce: nonce.subarray(1) }, header)).toThrow(
        /argument 1/,
      );
      const opening = { key, nonce, header, sealed: body, reuse: false };
      expect(() => gcm.open({ ...opening, tag: body.subarray(0, 15) })).toThrow(/argument 4/);
    });
  },
);
