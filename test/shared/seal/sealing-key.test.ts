import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { compressBody } from '../../../shared/protocol/compress.js';
import { decodeMessage, HEADER_BYTES } from '../../../shared/protocol/frame.js';
import { OpeningKey, plainBody, SealingKey } from '../../../shared/seal/sealing-key.js';

const session = '0011223344556677';
const pair = () => {
  const key = randomBytes(32);
  return { seal: new SealingKey(key, session), open: new OpeningKey(key) };
};
const codeOf = (work: () => unknown): unknown => {
  try {
    work();
    return 'none';
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
};

describe('sealing key', () => {
  test('seal: a body opens as it was, compressed or not', () => {
    const { seal, open } = pair();
    const raw = Buffer.from('the same words again and again '.repeat(500));
    const small = compressBody(raw);
    if (small === undefined) throw new Error('words compress');
    for (const [body, compressed] of [
      [raw, false],
      [small, true],
    ] as const) {
      const content = { ...plainBody('records', 7, body), compressed, rawLength: raw.length };
      const message = decodeMessage(seal.seal(content).bytes);
      expect(message.header).toMatchObject({ session, sequence: 7, compressed });
      expect(open.openRaw(message).equals(raw)).toBe(true);
    }
  });

  test('seal: the same body is never sealed to the same bytes, and opens once', () => {
    const { seal, open } = pair();
    const body = Buffer.alloc(100, 1);
    const first = seal.seal(plainBody('records', 1, body)).bytes;
    const again = seal.seal(plainBody('records', 1, body)).bytes;
    expect(first.subarray(HEADER_BYTES).equals(again.subarray(HEADER_BYTES))).toBe(false);
    expect(open.open(decodeMessage(first)).equals(body)).toBe(true);
    expect(codeOf(() => open.open(decodeMessage(first)))).toBe('frame-forged');
    expect(open.open(decodeMessage(again)).equals(body)).toBe(true);
    expect(codeOf(() => open.open(decodeMessage(first)))).toBe('frame-forged');
  });

  test('seal: types count on their own, so one lane does not shut another', () => {
    const { seal, open } = pair();
    const body = Buffer.alloc(10);
    const note = seal.seal(plainBody('note', 0, body));
    const records = seal.seal(plainBody('records', 1, body));
    expect([note.counter, records.counter]).toEqual([1, 1]);
    open.open(decodeMessage(records.bytes));
    expect(open.open(decodeMessage(note.bytes)).equals(body)).toBe(true);
  });

  test('seal: no bit of header, body or tag can change unseen', () => {
    const { seal, open } = pair();
    const { bytes } = seal.seal(plainBody('ack', 3, randomBytes(40)));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const code = codeOf(() => open.open(decodeMessage(changed)));
      expect(['frame-malformed', 'frame-forged']).toContain(code);
    }
    expect(codeOf(() => open.open(decodeMessage(bytes)))).toBe('none');
  });

  test('seal: another key opens nothing', () => {
    const { bytes } = pair().seal.seal(plainBody('ack', 3, randomBytes(40)));
    expect(codeOf(() => pair().open.open(decodeMessage(bytes)))).toBe('frame-forged');
  });

  test('seal: a body larger than a frame is our own mistake', () => {
    const { seal } = pair();
    expect(codeOf(() => seal.seal(plainBody('ack', 0, Buffer.alloc(1024 * 1024))))).toBe(
      'internal',
    );
  });
});
