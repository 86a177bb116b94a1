/** The replica's port for direct streams against whoever can reach it. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { DirectClient } from '../../../shared/transport/direct-client.js';
import {
  type DirectDoor,
  type DirectDoorOptions,
  openDirectDoor,
} from '../../../shared/transport/direct-door.js';
import type { DirectEnd } from '../../../shared/transport/direct-end.js';
import {
  ANSWER_BYTES,
  closeProof,
  newOpening,
  OPENING_BYTES,
} from '../../../shared/transport/direct-proof.js';
import { encodePiece, PIECE_DATA_BYTES_MAX } from '../../../shared/transport/direct-piece.js';
import { until } from '../../agent/ship/wire-rig.js';

const prefix = 'afterimage.acme.web.files.';
const session = '00112233445566ff';
const key = randomBytes(32);
const closes: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close();
});

async function openDoor(options: Partial<DirectDoorOptions> = {}) {
  const ends: DirectEnd[] = [];
  const refused: string[] = [];
  const heard: string[] = [];
  const door = await openDirectDoor({
    host: '127.0.0.1',
    port: 0,
    admit: (id) => (id === session ? { key, prefix, hears: [`${prefix}up`] } : undefined),
    onStream: (_id, end) => {
      ends.push(end);
      end.subscribe(`${prefix}up`, ({ data }) => heard.push(Buffer.from(data).toString('latin1')));
    },
    onRefused: (error) => refused.push(error.code),
    ...options,
  });
  closes.push(() => door.close());
  return { door, ends, refused, heard };
}

function reach(
  door: DirectDoor,
): Promise<{ socket: Socket; read: (bytes: number) => Promise<Buffer> }> {
  const socket = connect({ host: '127.0.0.1', port: door.port });
  closes.push(() => socket.destroy());
  let got = Buffer.alloc(0);
  socket.on('data', (chunk) => (got = Buffer.concat([got, chunk])));
  socket.on('error', () => undefined);
  const read = async (bytes: number): Promise<Buffer> => {
    await until(() => got.length >= bytes);
    return got.subarray(0, bytes);
  };
  return new Promise((resolve) => {
    socket.once('connect', () => {
      resolve({ socket, read });
    });
  });
}

async function prove(door: DirectDoor) {
  const { socket, read } = await reach(door);
  const opening = newOpening(session);
  socket.write(opening);
  const answer = await read(ANSWER_BYTES);
  const closing = closeProof(key, opening, answer);
  return { socket, opening, closing };
}

describe('direct door', () => {
  test.for([
    ['something else', Buffer.from('GET / HTTP/1.1\r\nHost: replica\r\n\r\n'), 'frame-malformed'],
    ['too much before the answer', Buffer.alloc(OPENING_BYTES + 1), 'frame-malformed'],
    ['a session that nobody has', newOpening('ffffffffffffffff'), 'session-stale'],
  ] as const)('direct door: %s is refused and counted', async ([, bytes, code]) => {
    const { door, ends, refused } = await openDoor();
    const { socket } = await reach(door);
    socket.write(bytes);
    await until(() => socket.closed);
    expect(refused).toEqual([code]);
    expect(ends).toEqual([]);
    expect(door.unproven).toBe(0);
  });

  test('direct door: without the secret of the session nobody comes in, and a recorded proof is no use', async () => {
    const { door, ends, refused } = await openDoor();
    const first = await prove(door);
    first.socket.write(first.closing);
    await until(() => ends.length === 1);
    const { socket, read } = await reach(door);
    socket.write(first.opening);
    await read(ANSWER_BYTES);
    socket.write(first.closing);
    await until(() => socket.closed);
    expect(refused).toEqual(['frame-forged']);
    expect(ends[0]?.connected).toBe(true);
    expect(door.streams).toBe(1);
  });

  test('direct door: an agent does not prove itself to somebody without the secret', async () => {
    const { door } = await openDoor({
      admit: () => ({ key: randomBytes(32), prefix }),
    });
    const troubles: string[] = [];
    const client = new DirectClient({
      prefix,
      monotonic: () => performance.now(),
      onTrouble: (why) => troubles.push(why),
    });
    closes.push(() => client.close());
    client.offer({ session, key, addresses: [{ host: '127.0.0.1', port: door.port }] });
    await until(() => troubles.length > 0);
    expect(troubles[0]).toMatch(/replica at the other end/);
    expect(client.connected).toBe(false);
    expect(door.streams).toBe(0);
  });

  test('direct door: connections that prove nothing are bounded in number and in time', async () => {
    const { door, refused, ends } = await openDoor({ unprovenMax: 4, proofMs: 200 });
    const idle: Awaited<ReturnType<typeof reach>>[] = [];
    for (let at = 0; at < 12; at += 1) idle.push(await reach(door));
    await until(() => door.unproven === 4);
    const { socket, closing } = await prove(door);
    socket.write(closing);
    await until(() => ends.length === 1);
    await until(() => door.unproven === 0);
    expect(refused).toHaveLength(12);
    expect(new Set(refused)).toEqual(new Set(['timed-out']));
    await until(() => idle.every((one) => one.socket.closed));
    expect(ends[0]?.connected).toBe(true);
  });

  test('direct door: a second stream of a session takes the place of the first', async () => {
    const { door, ends } = await openDoor();
    for (let at = 0; at < 2; at += 1) {
      const { socket, closing } = await prove(door);
      socket.write(closing);
      await until(() => ends.length === at + 1);
    }
    expect(ends.map(({ connected }) => connected)).toEqual([false, true]);
    expect(door.streams).toBe(1);
  });

  test('direct door: what comes in one piece with the proof is not lost, however it is cut', async () => {
    const { door, heard } = await openDoor();
    const { socket, closing } = await prove(door);
    const texts = ['one', 'x'.repeat(100_000), '', 'two'];
    const pieces = texts.map((text) =>
      encodePiece({ kind: 'message', subject: `${prefix}up`, data: Buffer.from(text) }, prefix),
    );
    const bytes = Buffer.concat([closing, ...pieces]);
    socket.setNoDelay(true);
    for (const [at, end] of [
      [0, 33],
      [33, 34],
      [34, 60],
      [60, 70_000],
      [70_000, bytes.length],
    ] as const) {
      socket.write(bytes.subarray(at, end));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => heard.length === texts.length);
    expect(heard).toEqual(texts);
    expect(bytes.includes('acme')).toBe(false);
  });

  test.for([
    [
      'a length beyond the bound',
      (piece: Buffer) => piece.writeUInt32LE(PIECE_DATA_BYTES_MAX + 3, 0),
    ],
    ['a length below its names', (piece: Buffer) => piece.writeUInt32LE(1, 0)],
    ['an unknown kind', (piece: Buffer) => piece.writeUInt8(9, 4)],
    ['unknown flags', (piece: Buffer) => piece.writeUInt8(3, 7)],
  ] as const)('direct door: a piece with %s ends the stream and is counted', async ([, damage]) => {
    const { door, ends, refused, heard } = await openDoor();
    const { socket, closing } = await prove(door);
    const piece = encodePiece(
      { kind: 'message', subject: `${prefix}up`, data: Buffer.from('bad') },
      prefix,
    );
    damage(piece);
    socket.write(Buffer.concat([closing, piece]));
    await until(() => socket.closed);
    expect(refused).toEqual(['frame-malformed']);
    expect(ends[0]?.connected).toBe(false);
    expect(heard).toEqual([]);
    expect(door.streams).toBe(0);
  });

  test('direct door: a stream of one set says nothing to another', async () => {
    const { door, refused, heard } = await openDoor();
    const { socket, closing } = await prove(door);
    const subject = 'afterimage.acme.other.files.up';
    const theirs = encodePiece({ kind: 'message', subject, data: Buffer.from('theirs') }, '');
    const own = encodePiece(
      { kind: 'message', subject: `${prefix}up`, data: Buffer.from('own') },
      prefix,
    );
    socket.write(Buffer.concat([closing, theirs, own]));
    await until(() => heard.length > 0);
    expect(heard).toEqual(['own']);
    expect(refused).toEqual(['permission-violation']);
  });
});
