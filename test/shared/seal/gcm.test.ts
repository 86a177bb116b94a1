import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Gcm, loadGcm, portableGcm } from '../../../shared/seal/gcm.js';
import { loadAddon } from '../../../shared/posix/load-addon.js';

const HEADER_BYTES = 48;
const addon = loadAddon();
const native = 'exports' in addon ? loadGcm() : undefined;
if ('whyNot' in addon) console.warn(`skipped: sealing by the addon: ${addon.whyNot}`);

function sealedBy(gcm: Gcm, body: Buffer, key: Buffer, nonce: Buffer, header: Buffer): Buffer {
  const message = Buffer.concat([header, Buffer.alloc(body.length + 16)]);
  gcm.seal({ key, nonce, body, message, headerBytes: header.length });
  return message;
}

function openedBy(gcm: Gcm, message: Buffer, key: Buffer, nonce: Buffer): Buffer | undefined {
  return gcm.open({
    key,
    nonce,
    header: message.subarray(0, HEADER_BYTES),
    sealed: message.subarray(HEADER_BYTES, -16),
    tag: message.subarray(-16),
    reuse: false,
  });
}

describe.skipIf(native === undefined)(
  'AES-256-GCM of the addon (skipped where it is not built)',
  () => {
    const gcm = native ?? portableGcm;
    const sizes = [0, 1, 15, 16, 17, 4096, 65_536, 65_537, 300_000];

    it('seals and opens the same bytes as node:crypto, at every size', () => {
      for (const size of sizes) {
        const [key, nonce] = [randomBytes(32), randomBytes(12)];
        const [header, body] = [randomBytes(HEADER_BYTES), randomBytes(size)];
        const message = sealedBy(gcm, body, key, nonce, header);
        expect(message.equals(sealedBy(portableGcm, body, key, nonce, header))).toBe(true);
        expect(openedBy(gcm, message, key, nonce)?.equals(body)).toBe(true);
        expect(openedBy(portableGcm, message, key, nonce)?.equals(body)).toBe(true);
      }
    });

    it('opens in place when the sealed bytes may be written over', () => {
      const [key, nonce, header] = [randomBytes(32), randomBytes(12), randomBytes(HEADER_BYTES)];
      const body = randomBytes(100_000);
      const message = sealedBy(gcm, body, key, nonce, header);
      const sealed = message.subarray(HEADER_BYTES, -16);
      const opened = gcm.open({
        key,
        nonce,
        header,
        sealed,
        tag: message.subarray(-16),
        reuse: true,
      });
      expect(opened?.equals(body)).toBe(true);
      expect(opened?.buffer).toBe(message.buffer);
    });

    it.each(['header', 'body', 'tag', 'key', 'nonce'])(
      'opens nothing when the %s was changed',
      (part) => {
        const [key, nonce, header] = [randomBytes(32), randomBytes(12), randomBytes(HEADER_BYTES)];
        const message = sealedBy(gcm, randomBytes(1000), key, nonce, header);
        const place = { header: 3, body: 500, tag: message.length - 1 }[part];
        if (place !== undefined) message.writeUInt8(message.readUInt8(place) ^ 1, place);
        if (part === 'key') key.writeUInt8(key.readUInt8(0) ^ 1, 0);
        if (part === 'nonce') nonce.writeUInt8(nonce.readUInt8(0) ^ 1, 0);
        expect(openedBy(gcm, message, key, nonce)).toBeUndefined();
        expect(openedBy(portableGcm, message, key, nonce)).toBeUndefined();
      },
    );

    it('refuses sizes that do not fit each other instead of writing past them', () => {
      const [key, nonce, body] = [randomBytes(32), randomBytes(12), randomBytes(100)];
      const message = Buffer.alloc(HEADER_BYTES + 100 + 15);
      expect(() => {
        gcm.seal({ key, nonce, body, message, headerBytes: HEADER_BYTES });
      }).toThrow(/argument 3 must have 164 bytes/);
      expect(() => sealedBy(gcm, body, key.subarray(1), nonce, Buffer.alloc(48))).toThrow(
        /argument 0/,
      );
      expect(() => sealedBy(gcm, body, key, nonce.subarray(1), Buffer.alloc(48))).toThrow(
        /argument 1/,
      );
    });
  },
);
