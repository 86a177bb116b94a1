/** The client library's own parser and a connection without a broker, around what is put into them. */
import { setImmediate as turn } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { Parser } from 'nats/lib/nats-base-client/parser.js';
import { describe, expect, test } from 'vitest';
import {
  gatherLarge,
  publishInOnePiece,
  releaseOf,
} from '../../../shared/transport/nats-memory.js';
import { roomyBuffer } from '../../../shared/transport/roomy-buffer.js';
import { Seeded } from '../../support/seeded.js';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** Messages that a parser dispatched. */
interface Heard {
  readonly subject: string;
  readonly data: Uint8Array;
}

function listening(hear: (heard: Heard) => void): Parser {
  const parser = new Parser({
    push: ({ msg, data }) => {
      if (msg === undefined || data === undefined) return;
      hear({ subject: Buffer.from(msg.subject).toString(), data });
    },
  });
  gatherLarge({ protocol: { parser } } as unknown as NatsConnection);
  return parser;
}

function wireOf(subject: string, body: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`MSG ${subject} 7 ${body.length}\r\n`),
    body,
    Buffer.from('\r\n'),
  ]);
}

/** Hands over `wire` in reads of up to 64 KiB, in memory of their own as a socket gives them. */
function read(parser: Parser, wire: Buffer, random: Seeded): void {
  for (let at = 0; at < wire.length;) {
    const count = random.chance(0.2) ? 1 + random.below(40) : 1 + random.below(65_536);
    parser.parse(Buffer.from(wire.subarray(at, at + count)));
    at += count;
  }
}

describe('large messages of the client library', () => {
  test(`in: arrive as sent wherever the reads cut them, and their memory is used again (seed ${SEED})`, () => {
    const random = new Seeded(SEED);
    const sizes = [0, 1, 1000, 65_535, 65_536, 65_537, 200_000, 262_500, 262_500, 1_048_576];
    const sent = Array.from({ length: 60 }, (_, index) => ({
      subject: `wire.${index}`,
      body: random.bytes(random.pick(sizes)),
    }));
    const memories = new Set<ArrayBufferLike>();
    let gathered = 0;
    let next = 0;
    const parser = listening(({ subject, data }) => {
      const expected = sent[next];
      next += 1;
      expect(subject).toBe(expected?.subject);
      expect(expected?.body.equals(data)).toBe(true);
      const release = releaseOf(data);
      if (release === undefined) return;
      gathered += 1;
      memories.add(data.buffer);
      data.fill(0xff);
      release();
      release(); // once more changes nothing
    });
    const wire = Buffer.concat(sent.map(({ subject, body }) => wireOf(subject, body)));
    read(parser, wire, random);
    expect(next).toBe(sent.length);
    expect(gathered).toBeGreaterThan(10);
    expect(memories.size).toBeLessThan(gathered / 2);
  });

  test("in: memory that is not given back is nobody else's", () => {
    const random = new Seeded(SEED);
    const heard: Uint8Array[] = [];
    const parser = listening(({ data }) => heard.push(data));
    const bodies = Array.from({ length: 8 }, () => random.bytes(262_500));
    for (const body of bodies) read(parser, wireOf('kept', body), random);
    expect(heard.map((data, index) => bodies[index]?.equals(data))).toEqual(bodies.map(() => true));
  });

  test('in: what is small, or larger than any frame, is left to the library', () => {
    const random = new Seeded(SEED);
    const releases: unknown[] = [];
    const parser = listening(({ data }) => releases.push(releaseOf(data)));
    for (const size of [100, 65_000, 3_000_000]) {
      read(parser, wireOf('left', random.bytes(size)), random);
    }
    expect(releases).toEqual([undefined, undefined, undefined]);
  });

  test('in: another client library, or a parser that was met before, is left alone', () => {
    for (const strange of [{}, { protocol: {} }, { protocol: { parser: {} } }]) {
      expect(() => {
        gatherLarge(strange as unknown as NatsConnection);
      }).not.toThrow();
    }
    const parser = listening(() => undefined);
    const own = Object.getOwnPropertyDescriptor(parser, 'parse');
    gatherLarge({ protocol: { parser } } as unknown as NatsConnection);
    expect(Object.getOwnPropertyDescriptor(parser, 'parse')).toEqual(own);
  });

  test('out: the memory of a message is used again once the socket needs it no more', async () => {
    const written: Buffer[] = [];
    let done = (): void => undefined;
    const connection = {
      info: { max_payload: 1_048_576 },
      protocol: {
        connected: true,
        infoReceived: true,
        flushPending: () => undefined,
        transport: {
          _send: (bytes: Buffer) => {
            written.push(bytes);
            return new Promise<void>((resolve) => {
              done = resolve;
            });
          },
        },
      },
    } as unknown as NatsConnection;
    const first = roomyBuffer(300_000).fill(1);
    expect(publishInOnePiece(connection, 'wire.up', first)).toBe(true);
    expect(written[0]?.subarray(0, 20).toString('latin1')).toMatch(/^PUB wire\.up 300000\r\n/);
    await turn();
    expect(roomyBuffer(300_000).buffer).not.toBe(first.buffer);
    done();
    await Promise.resolve();
    expect(roomyBuffer(300_000).buffer).toBe(first.buffer);
  });

  test('out: nothing is sent past a connection that is not there, nor past its largest payload', () => {
    const transport = { _send: () => Promise.reject(new Error('not to be called')) };
    const protocol = {
      connected: true,
      infoReceived: true,
      flushPending: () => undefined,
      transport,
    };
    const info = { max_payload: 1_048_576 };
    const tries = [
      { info, protocol: { ...protocol, connected: false } },
      { info, protocol: { ...protocol, infoReceived: false } },
      { info, protocol: { ...protocol, transport: {} } },
      { info: { max_payload: 299_999 }, protocol },
      { info },
    ];
    for (const connection of tries) {
      const data = roomyBuffer(300_000);
      expect(publishInOnePiece(connection as unknown as NatsConnection, 'up', data)).toBe(false);
    }
    const plain = Buffer.alloc(300_000);
    const whole = { info, protocol } as unknown as NatsConnection;
    expect(publishInOnePiece(whole, 'up', plain)).toBe(false);
  });
});
