import { describe, expect, test } from 'vitest';
import { AfterimageError } from '../../../shared/errors.js';
import { decodeAck, decodeNote, encodeAck, encodeNote } from '../../../shared/protocol/ack.js';
import { decodeEvents, encodeEvents, type NumberedEvent } from '../../../shared/protocol/events.js';
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
} from '../../../shared/protocol/hello.js';
import {
  decodeAnswer,
  decodeQuery,
  encodeAnswer,
  encodeQuery,
  type Query,
} from '../../../shared/protocol/query.js';
import {
  checkWireName,
  isWireName,
  parseSubject,
  subjectOf,
} from '../../../shared/protocol/subject.js';

const malformed = expect.objectContaining({ code: 'frame-malformed' }) as Error;
const hex = (bytes: number) => 'a1'.repeat(bytes);

const hello = {
  host: 'web-1',
  tokens: ['new', 'old'],
  enrolment: null,
  position: {
    point: 3,
    chain: hex(32),
    incarnation: hex(16),
    ended: { sync: 4, manifest: hex(32) },
  },
  frames: {
    stream: hex(16),
    first: 1,
    firstRestarts: true,
    next: 5,
    boot: hex(16),
    offset: 0,
    open: { sync: 4, begin: 2 },
  },
  seen: { epoch: hex(8), serial: 9 },
  windowBytes: 4_194_304,
};

describe('messages', () => {
  test('hello: both payloads decode to what was encoded', () => {
    expect(decodeHello(encodeHello(hello))).toEqual({ protocol: 1, ...hello });
    const welcome = {
      type: 'welcome' as const,
      session: hex(8),
      token: 't',
      confirmed: 0,
      outcome: { type: 'go-on' as const, resumed: true },
      frames: { type: 'from' as const, sequence: 5 },
      epoch: hex(8),
      windowBytes: 1,
    };
    expect(decodeWelcome(encodeWelcome(welcome))).toEqual(welcome);
    const refused = { type: 'refused' as const, code: 'set-owned', message: 'no' };
    expect(decodeWelcome(encodeWelcome(refused))).toEqual(refused);
  });

  test('hello: a payload that is no JSON, of another shape or too long is malformed', () => {
    const wrong = { ...hello, position: { ...hello.position, chain: 'zz' } };
    for (const bytes of [
      Buffer.from('{'),
      Buffer.from('null'),
      encodeHello(wrong),
      encodeHello({ ...hello, host: 'x'.repeat(301) }),
      encodeHello({ ...hello, tokens: Array.from({ length: 3 }, () => 't') }),
      encodeHello({ ...hello, host: 'x'.repeat(9000) }),
      encodeHello({ ...hello, windowBytes: -1 }),
    ]) {
      expect(() => decodeHello(bytes)).toThrow(malformed);
    }
  });

  test('ack and note: they decode to what was encoded, and nothing is left over', () => {
    const ack = { next: 2 ** 50, received: 3, durable: 2, counter: 77, gap: true };
    expect(decodeAck(encodeAck(ack))).toEqual(ack);
    expect(decodeNote(encodeNote({ seen: 12 }))).toEqual({ seen: 12, leaves: false });
    const note = { seen: 2 ** 50, watch: { continuityMs: 5, behindMs: 2 ** 40 }, leaves: true };
    expect(decodeNote(encodeNote(note))).toEqual(note);
    expect(() => decodeNote(encodeNote(note).subarray(0, 20))).toThrow(malformed);
    expect(() => decodeAck(encodeAck(ack).subarray(1))).toThrow(malformed);
    expect(() => decodeNote(encodeAck(ack))).toThrow(malformed);
  });

  test('events: every type decodes to what was encoded', () => {
    const events: NumberedEvent[] = [
      { serial: 1, event: { type: 'sealed', sync: 4 } },
      { serial: 2, event: { type: 'committed', sync: 4, point: 1, chain: hex(32), timeMs: 5 } },
      {
        serial: 3,
        event: { type: 'refused', sync: 5, code: 'damaged', message: 'm', wants: [[7, 3]] },
      },
      { serial: 4, event: { type: 'stalled', code: 'storage-full', message: 'm' } },
      { serial: 5, event: { type: 'resumed' } },
      { serial: 6, event: { type: 'sync-asked', request: 'job' } },
    ];
    expect(decodeEvents(encodeEvents(events))).toEqual(events);
    expect(() => decodeEvents(Buffer.from('[{"serial":1,"event":{"type":"odd"}}]'))).toThrow(
      malformed,
    );
  });

  test('queries: every type decodes to what was encoded, within its bounds', () => {
    const queries: Query[] = [
      { type: 'has', digests: Buffer.alloc(64, 7) },
      {
        type: 'signature',
        node: 2 ** 40,
        minBytes: 1,
        averageBytes: 2,
        maxBytes: 3,
        offset: 2 ** 33,
      },
      { type: 'state', cursor: 'näxt' },
    ];
    for (const query of queries) expect(decodeQuery(encodeQuery(query))).toEqual(query);
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from([9]),
      encodeQuery({ type: 'has', digests: Buffer.alloc(63) }),
      encodeQuery({ type: 'has', digests: Buffer.alloc(32 * 10_001) }),
      encodeQuery({ type: 'state', cursor: 'x'.repeat(5000) }),
      Buffer.concat([encodeQuery({ type: 'state', cursor: '' }), Buffer.alloc(1)]),
    ]) {
      expect(() => decodeQuery(bytes)).toThrow(malformed);
    }
  });

  test('answers: bytes come back, and an error comes back as that error', () => {
    const answer = { bytes: Buffer.from('abc'), total: 2 ** 40, next: null };
    expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer);
    expect(decodeAnswer(encodeAnswer({ ...answer, next: '' })).next).toBe('');
    const failure = encodeAnswer(new AfterimageError('not-found', 'no such file'));
    expect(() => decodeAnswer(failure)).toThrow(
      expect.objectContaining({ code: 'not-found', message: 'no such file' }) as Error,
    );
  });

  test('subjects: an address becomes a subject and comes back; anything else does not', () => {
    const address = { tenant: 'acme', agent: 'web-1', set: 'www_files' };
    expect(subjectOf(address, 'up')).toBe('afterimage.acme.web-1.www_files.up');
    expect(parseSubject(subjectOf(address, 'ctl'))).toEqual({ ...address, lane: 'ctl' });
    for (const subject of [
      'afterimage.acme.web.files',
      'afterimage.acme.web.files.up.more',
      'afterimage.acme.web.files.sideways',
      'other.acme.web.files.up',
      'afterimage.ACME.web.files.up',
      'afterimage..web.files.up',
    ]) {
      expect(parseSubject(subject)).toBe(undefined);
    }
  });

  test('names: what would mean something in a subject is no name', () => {
    for (const name of ['a', '0', 'web-1_b', 'x'.repeat(64)]) expect(isWireName(name)).toBe(true);
    for (const name of ['', '-a', '_a', 'A', 'a.b', 'a*', '>', 'a b', 'ä', 'x'.repeat(65)]) {
      expect(isWireName(name)).toBe(false);
      expect(() => {
        checkWireName('set', name);
      }).toThrow(expect.objectContaining({ code: 'argument-invalid' }) as Error);
    }
  });
});
