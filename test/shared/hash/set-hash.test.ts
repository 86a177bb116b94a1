/** The set hash against a plain reference, and the laws that incremental digests rest on (R26). */
import { blake3 } from 'hash-wasm';
import { describe, expect, test } from 'vitest';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { SET_HASH_BYTES, SetHash } from '../../../shared/hash/set-hash.js';
import { Seeded } from '../../support/seeded.js';

const core = createHashCore();
const text = (word: string): Buffer => Buffer.from(word);

/** Lanes by the definition: sums of 16-bit words of another implementation's extended output. */
async function reference(elements: readonly Buffer[]): Promise<Buffer> {
  const lanes = new Uint16Array(SET_HASH_BYTES / 2);
  for (const element of elements) {
    const digest = Buffer.from(await blake3(element), 'hex');
    const expanded = Buffer.from(await blake3(digest, SET_HASH_BYTES * 8), 'hex');
    for (const lane of lanes.keys()) {
      lanes[lane] = (lanes[lane] ?? 0) + expanded.readUInt16LE(2 * lane);
    }
  }
  const bytes = Buffer.alloc(SET_HASH_BYTES);
  for (const [lane, value] of lanes.entries()) bytes.writeUInt16LE(value, 2 * lane);
  return bytes;
}

function hashOf(elements: readonly Buffer[]): SetHash {
  const hash = new SetHash(core);
  for (const element of elements) hash.add(element);
  return hash;
}

describe('set hash (R26)', () => {
  test('lanes: are sums of BLAKE3 extended outputs, as another implementation computes them', async () => {
    const random = new Seeded(11);
    const elements = Array.from({ length: 40 }, (_, n) => random.bytes(n * 97));
    expect(
      hashOf(elements)
        .state()
        .equals(await reference(elements)),
    ).toBe(true);
    expect(hashOf([]).state().equals(Buffer.alloc(SET_HASH_BYTES))).toBe(true);
  });

  test('digest: is that of the lanes, and a fixed part of the format', () => {
    const hash = hashOf([text('a'), text('b')]);
    expect(hash.digest().equals(core.digest(hash.state()))).toBe(true);
    expect(hash.digest().toString('hex')).toMatchInlineSnapshot(
      `"c6ef9c08ce0848a7099e5a58c34188a36707b56f6840c0fd96176c44260e887b"`,
    );
  });

  test('order: does not matter, and what is taken away leaves no trace', () => {
    const hash = hashOf([text('c'), text('a'), text('x'), text('b')]);
    hash.remove(text('x'));
    expect(hash.digest()).toEqual(hashOf([text('a'), text('b'), text('c')]).digest());
    for (const word of 'abc') hash.remove(text(word));
    expect(hash.digest()).toEqual(new SetHash(core).digest());
  });

  test('state: another instance goes on from it, and instances do not share lanes', () => {
    const first = hashOf([text('a')]);
    const second = new SetHash(core, first.state());
    second.add(text('b'));
    expect(second.digest()).toEqual(hashOf([text('b'), text('a')]).digest());
    expect(first.digest()).toEqual(hashOf([text('a')]).digest());
  });

  test('elements: one changed bit or one element twice changes the digest', () => {
    const digests = [
      hashOf([text('a'), text('b')]),
      hashOf([text('a'), text('c')]),
      hashOf([text('a'), text('b'), text('b')]),
      hashOf([text('ab')]),
    ].map((hash) => hash.digest().toString('hex'));
    expect(new Set(digests).size).toBe(digests.length);
  });
});
