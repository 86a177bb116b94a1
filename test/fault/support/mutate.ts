/**
 * Inputs that are almost right, made from right ones: bytes altered, cut, doubled and joined, and
 * numbers put where numbers are. For JSON the values are altered, not the text alone. Seeded.
 */
import type { Seeded } from '../../support/seeded.js';

const NUMBERS = [
  0, 1, 2, 7, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 65_537,
  0x1f_ffff, 0x20_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
];

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  2 ** 53,
  -(2 ** 53),
  '',
  'a'.repeat(70),
  'a'.repeat(5000),
  '../..',
  '/',
  '\u0000',
  '\ud800',
  '%ff%00',
  '__proto__',
  'constructor',
  [],
  {},
  [[[[[[]]]]]],
];

const KEYS = ['__proto__', 'constructor', 'toString', 'type', 'x', ''];
const INPUT_BYTES_MAX = 1_200_000;

/** Alters a copy of `input`; `other` is a second right input to take pieces from. */
export function mutateBytes(random: Seeded, input: Buffer, other: Buffer): Buffer {
  let bytes = Buffer.from(input);
  for (let times = 1 + random.below(4); times > 0; times -= 1) {
    bytes = Buffer.from(mutateOnce(random, bytes, other));
  }
  return bytes.subarray(0, INPUT_BYTES_MAX);
}

function mutateOnce(random: Seeded, bytes: Buffer, other: Buffer): Buffer {
  const at = placeIn(random, bytes);
  const length = 1 + random.below(random.chance(0.7) ? 8 : 300);
  switch (random.below(9)) {
    case 0:
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
      return bytes;
    case 2:
      if (at + 4 <= bytes.length) bytes.writeUInt32LE(random.pick(NUMBERS), at);
      return bytes;
    case 3:
      if (at + 2 <= bytes.length) bytes.writeUInt16LE(random.pick(NUMBERS) & 0xffff, at);
      return bytes;
    case 4:
      return bytes.subarray(0, at);
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 6: {
      const piece = bytes.subarray(at, at + length);
      return Buffer.concat([bytes.subarray(0, at), piece, piece, bytes.subarray(at + length)]);
    }
    case 7: {
      const from = placeIn(random, other);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(from)]);
    }
    default:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(length), bytes.subarray(at)]);
  }
}

/** Mostly near the start, where lengths and types are. */
function placeIn(random: Seeded, bytes: Buffer): number {
  return random.below(1 + (random.chance(0.6) ? Math.min(96, bytes.length) : bytes.length));
}

/** JSON text with one or a few of its values, or keys, changed; sometimes its bytes are. */
export function mutateJson(random: Seeded, input: Buffer, other: Buffer): Buffer {
  if (random.chance(0.25)) return mutateBytes(random, input, other);
  let value: unknown;
  try {
    value = JSON.parse(input.toString('utf8'));
  } catch {
    // An input kept for what it reached need not be JSON.
    return mutateBytes(random, input, other);
  }
  for (let times = 1 + random.below(3); times > 0; times -= 1) value = changed(random, value);
  const text = Buffer.from(JSON.stringify(value));
  return text.length > INPUT_BYTES_MAX ? Buffer.from(input) : text;
}

function changed(random: Seeded, value: unknown): unknown {
  if (random.chance(0.15) || value === null || typeof value !== 'object') {
    return random.chance(0.2) ? nested(random) : random.pick(VALUES);
  }
  if (Array.isArray(value)) {
    const items = value as unknown[];
    if (items.length === 0 || random.chance(0.1)) {
      const item = items[0] ?? random.pick(VALUES);
      const room = INPUT_BYTES_MAX / (1 + JSON.stringify(item).length);
      return Array.from({ length: 1 + random.below(Math.min(1200, room)) }, () => item);
    }
    const at = random.below(items.length);
    return items.map((item, index) => (index === at ? changed(random, item) : item));
  }
  const entries = Object.entries(value);
  const chosen = random.below(entries.length + 1);
  const entry = entries[chosen];
  if (entry === undefined) entries.push([random.pick(KEYS), random.pick(VALUES)]);
  else if (random.chance(0.15)) entries.splice(chosen, 1);
  else entries[chosen] = [entry[0], changed(random, entry[1])];
  return Object.fromEntries(entries);
}

function nested(random: Seeded): unknown {
  let value: unknown = random.pick(VALUES);
  for (let depth = random.below(800); depth > 0; depth -= 1)
    value = depth % 2 ? [value] : { value };
  return value;
}
