import { describe, expect, test } from 'vitest';
import { loadAddon } from '../../../shared/posix/load-addon.js';
import { type Gcm, portableGcm } from '../../../shared/seal/gcm.js';
import { agrees, loadGcm, sealing, usableGcms } from '../../../shared/seal/load-gcm.js';

/** As node:crypto, but for what is put into its place. */
const broken = (parts: Partial<Gcm>): Gcm => ({ ...portableGcm, ...parts });

describe('who seals', () => {
  test('load: the fastest of all that work is chosen, and it is said which', () => {
    const [fastest] = usableGcms();
    expect(sealing().by).toBe(fastest?.[0]);
    expect(agrees(loadGcm())).toBe(true);
  });

  test("load: the processor's vector AES serves wherever addon and processor have it", () => {
    const addon = loadAddon();
    const state: unknown =
      'exports' in addon && 'vectorSeal' in addon.exports && addon.exports.vectorSeal;
    expect(sealing().by === 'vector AES').toBe(state === 'there');
    expect(sealing().lost === undefined).toBe(state !== 'not-built');
  });

  test('check: whoever seals other bytes than node:crypto at any length is not used', () => {
    for (const bytes of [0, 256, 5003]) {
      const liar = broken({
        seal(sealing) {
          portableGcm.seal(sealing);
          if (sealing.body.length !== bytes) return;
          const { message } = sealing;
          message.writeUInt8(message.readUInt8(message.length - 1) ^ 1, message.length - 1);
        },
      });
      expect(agrees(liar)).toBe(false);
    }
    expect(agrees(broken({}))).toBe(true);
  });

  test('check: whoever opens wrongly, or with a wrong tag, is not used', () => {
    const forgetful = broken({
      open: (opening) => portableGcm.open(opening) ?? Buffer.from(opening.sealed),
    });
    expect(agrees(forgetful)).toBe(false);
    expect(agrees(broken({ open: () => undefined }))).toBe(false);
  });
});
