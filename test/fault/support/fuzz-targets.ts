/**
 * What decodes bytes of somebody else, each with right inputs to start from: what an input may cost
 * at most, and how it is given in.
 */
import { randomBytes } from 'node:crypto';
import { contentRequestSchema } from '../../../shared/api/content.js';
import {
  restoreRequestSchema,
  syncRequestSchema,
  verifyRequestSchema,
} from '../../../shared/api/actions.js';
import { AfterimageError } from '../../../shared/errors.js';
import { parsePathText, toPathText } from '../../../shared/path-text.js';
import { parsePointSelector, parseSetPoint } from '../../../shared/point-selector.js';
import { decodeAck, decodeNote, encodeAck, encodeNote } from '../../../shared/protocol/ack.js';
import { compressBody, decompressBody } from '../../../shared/protocol/compress.js';
import { enrolmentSchema } from '../../../shared/protocol/enrolment.js';
import { decodeEvents, encodeEvents } from '../../../shared/protocol/events.js';
import { BODY_BYTES_MAX, decodeMessage, encodeHeader } from '../../../shared/protocol/frame.js';
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  parseBounded,
} from '../../../shared/protocol/hello.js';
import { encodeForManifest } from '../../../shared/protocol/manifest.js';
import { ByteWriter } from '../../../shared/protocol/bytes.js';
import {
  decodeAnswer,
  decodeQuery,
  encodeAnswer,
  encodeQuery,
} from '../../../shared/protocol/query.js';
import { decodeRecords } from '../../../shared/protocol/records.js';
import { parseSubject, subjectOf } from '../../../shared/protocol/subject.js';
import { syncOutcomeSchema } from '../../../shared/protocol/sync-outcome.js';
import { Initiator, Responder } from '../../../shared/seal/handshake.js';
import { generateKeyPair } from '../../../shared/seal/key-pair.js';
import { OpeningKey, plainBody, SealingKey } from '../../../shared/seal/sealing-key.js';
import { checked, parseRange } from '../../../replica/serve/requests.js';
import { ModelHistory } from '../../model/history.js';
import { beginRecord, endRecord, outcome } from '../../model/sync-records.js';
import { encode } from '../../replica/support/small-set.js';
import { Seeded } from '../../support/seeded.js';
import { hello, hex, json, welcome } from './fuzz-samples.js';

const MIB = 1024 * 1024;

export interface FuzzTarget {
  readonly name: string;
  readonly kind: 'bytes' | 'json';
  /** Right inputs: every one of them is taken. */
  readonly corpus: readonly Buffer[];
  /** Heap and buffers that one input may make grow, garbage included. */
  readonly growthBytesMax: number;
  /** Takes an input; throws what the product throws. */
  readonly take: (input: Buffer) => void;
  /** Puts right what would otherwise hide the mutation: a checksum, a length, a seal. */
  readonly repair?: (input: Buffer, random: Seeded) => Buffer;
}

/** Bodies of frames: the records of random trees, cut where they fit. */
function recordBodies(seed: number): Buffer[] {
  const random = new Seeded(seed);
  return Array.from({ length: 12 }, () => {
    const model = new ModelHistory(random.below(1_000_000));
    const records = model.change(2 + random.below(10));
    const begin = beginRecord({ sync: 1, point: 0, chain: Buffer.alloc(32) });
    return encode([begin, ...records, endRecord(1)]).subarray(0, 900_000);
  });
}

function header(
  bodyLength: number,
  more: Partial<Parameters<typeof encodeHeader>[0]> = {},
): Buffer {
  return encodeHeader({
    type: 'records',
    compressed: false,
    restart: false,
    session: hex(8),
    sequence: 7,
    counter: 9,
    recordCount: 0,
    rawLength: bodyLength,
    bodyLength,
    ...more,
  });
}

/** Makes header and length agree with the body, so that what decodes is the mutated rest. */
function rightHeader(input: Buffer, random: Seeded): Buffer {
  if (input.length < 48 || random.chance(0.3)) return input;
  const bodyLength = Math.min(BODY_BYTES_MAX, Math.max(0, input.length - 64));
  const type = random.pick(['records', 'note', 'ack', 'query', 'hello', 'stale'] as const);
  const right = header(bodyLength, { type, restart: random.chance(0.2) });
  return Buffer.concat([right, input.subarray(48)]);
}

function sealedTarget(bodies: readonly Buffer[]): FuzzTarget {
  const key = randomBytes(32);
  // Whether it is compressed, and how long it was before, come first.
  const corpus = bodies.map((whole) => {
    const body = whole.subarray(0, 60_000);
    const small = compressBody(body);
    const head = Buffer.alloc(5);
    head.writeUInt8(small === undefined ? 0 : 1, 0);
    head.writeUInt32LE(body.length, 1);
    return Buffer.concat([head, small ?? body]);
  });
  let sealing = new SealingKey(key, hex(8));
  let opening = new OpeningKey(key);
  return {
    name: 'sealed message',
    kind: 'bytes',
    corpus,
    growthBytesMax: 24 * MIB,
    take: (input) => {
      // Sealed under the right key by a hostile agent, who may say what it likes in the header.
      if (input.length > BODY_BYTES_MAX) return;
      const body = input.subarray(5);
      const compressed = input[0] === 1;
      const said = input.length < 5 ? 0 : input.readUInt32LE(1);
      const rawLength = compressed ? Math.min(BODY_BYTES_MAX, said) : body.length;
      const content = { ...plainBody('records', 1, body), compressed, rawLength };
      const { bytes, counter } = sealing.seal(content);
      if (counter > 1_000_000) {
        sealing = new SealingKey(key, hex(8));
        opening = new OpeningKey(key);
      }
      opening.openRaw(decodeMessage(bytes));
    },
  };
}

function helloTarget(): FuzzTarget {
  const identity = generateKeyPair();
  const prologue = Buffer.from('afterimage/1 x');
  const agent = (): Initiator =>
    new Initiator({
      prologue,
      identity: generateKeyPair(),
      replicaPublicKey: identity.publicKey,
    });
  return {
    name: 'handshake',
    kind: 'bytes',
    corpus: [agent().hello(encodeHello(hello)), agent().hello(encodeHello(hello))],
    growthBytesMax: 8 * MIB,
    take: (input) => {
      const responder = new Responder({ prologue, identity, message: input });
      decodeHello(responder.payload);
    },
  };
}

function welcomeTarget(): FuzzTarget {
  const identity = generateKeyPair();
  const prologue = Buffer.from('afterimage/1 x');
  const initiator = new Initiator({
    prologue,
    identity: generateKeyPair(),
    replicaPublicKey: identity.publicKey,
  });
  const message = initiator.hello(encodeHello(hello));
  const responder = new Responder({ prologue, identity, message });
  return {
    name: 'second handshake message',
    kind: 'bytes',
    corpus: [responder.welcome(encodeWelcome(welcome)).message],
    growthBytesMax: 8 * MIB,
    // An initiator takes one answer; what it makes of others does not matter, as long as it ends.
    take: (input) => {
      decodeWelcome(initiator.welcome(input).payload);
    },
  };
}

/** All of them. The corpora depend on the seed alone, keys aside. */
export function fuzzTargets(seed: number): readonly FuzzTarget[] {
  const bodies = recordBodies(seed);
  const text = bodies.map((body) => body.subarray(0, 5000)).concat(Buffer.alloc(3000, 'ab '));
  return [
    {
      name: 'message envelope',
      kind: 'bytes',
      corpus: bodies.map((body) => {
        const part = body.subarray(0, 2000);
        return Buffer.concat([header(part.length), part, Buffer.alloc(16)]);
      }),
      growthBytesMax: 4 * MIB,
      take: (input) => void decodeMessage(input),
      repair: rightHeader,
    },
    {
      name: 'records of a frame',
      kind: 'bytes',
      corpus: bodies,
      growthBytesMax: 32 * MIB,
      take: (input) => {
        const writer = new ByteWriter();
        for (const record of decodeRecords(input)) {
          writer.reset();
          encodeForManifest(writer, record);
        }
      },
    },
    {
      name: 'compressed body',
      kind: 'bytes',
      // The length that the header says comes first; a header's is never larger.
      corpus: text.flatMap((body) => {
        const small = compressBody(body);
        if (small === undefined) return [];
        const length = Buffer.alloc(4);
        length.writeUInt32LE(body.length, 0);
        return Buffer.concat([length, small]);
      }),
      growthBytesMax: 8 * MIB,
      take: (input) => {
        const length = input.length < 4 ? 0 : input.readUInt32LE(0);
        decompressBody(input.subarray(4), Math.min(BODY_BYTES_MAX, length));
      },
    },
    sealedTarget(bodies),
    helloTarget(),
    welcomeTarget(),
    {
      name: 'hello',
      kind: 'json',
      corpus: [encodeHello(hello), encodeHello({ ...hello, tokens: [], enrolment: 'once' })],
      growthBytesMax: 8 * MIB,
      take: (input) => void decodeHello(input),
    },
    {
      name: 'welcome',
      kind: 'json',
      corpus: [
        encodeWelcome(welcome),
        encodeWelcome({ ...welcome, frames: { type: 'restart' }, confirmed: null }),
        encodeWelcome({ type: 'refused', code: 'identity-unknown', message: 'no' }),
      ],
      growthBytesMax: 8 * MIB,
      take: (input) => void decodeWelcome(input),
    },
    {
      name: 'question',
      kind: 'bytes',
      corpus: [
        encodeQuery({ type: 'has', digests: randomBytes(320) }),
        encodeQuery({ type: 'state', cursor: '17' }),
        encodeQuery({
          type: 'signature',
          node: 3,
          minBytes: 1,
          averageBytes: 2,
          maxBytes: 3,
          offset: 0,
        }),
      ],
      growthBytesMax: 4 * MIB,
      take: (input) => void decodeQuery(input),
    },
    {
      name: 'answer',
      kind: 'bytes',
      corpus: [
        encodeAnswer({ bytes: randomBytes(300), total: 300, next: null }),
        encodeAnswer({ bytes: randomBytes(10), total: 300, next: 'cursor' }),
      ],
      growthBytesMax: 4 * MIB,
      take: (input) => void decodeAnswer(input),
    },
    {
      name: 'ack and note',
      kind: 'bytes',
      corpus: [
        encodeAck({ next: 5, received: 4, durable: 3, counter: 9, gap: true }),
        encodeNote({ seen: 3 }),
      ],
      growthBytesMax: 4 * MIB,
      take: (input) => {
        if (input.length > 30) decodeAck(input);
        else decodeNote(input);
      },
    },
    {
      name: 'events',
      kind: 'json',
      corpus: [
        encodeEvents([
          { serial: 1, event: { type: 'sealed', sync: 3 } },
          {
            serial: 2,
            event: { type: 'committed', sync: 3, point: 2, chain: hex(32), timeMs: 5 },
          },
          {
            serial: 3,
            event: { type: 'refused', sync: 4, code: 'internal', message: 'm', wants: [[1, 2]] },
          },
          { serial: 4, event: { type: 'stalled', code: 'storage-full', message: 'm' } },
          { serial: 5, event: { type: 'sync-asked', request: 'r' } },
        ]),
      ],
      growthBytesMax: 16 * MIB,
      take: (input) => void decodeEvents(input),
    },
    {
      name: 'outcome of a sync',
      kind: 'json',
      corpus: json(outcome()),
      growthBytesMax: 16 * MIB,
      take: (input) => void parseBounded(syncOutcomeSchema, input, 256 * 1024),
    },
    {
      name: 'enrolment',
      kind: 'json',
      corpus: json({
        format: 1,
        brokerUrl: 'nats://h:4222',
        tenant: 'acme',
        agent: 'web',
        replicaPublicKey: 'x'.repeat(43),
        token: 't',
        expiresMs: 9,
        brokerSeed: 's',
      }),
      growthBytesMax: 8 * MIB,
      take: (input) => void parseBounded(enrolmentSchema, input, 64 * 1024),
    },
    {
      name: 'subject, path, point and range texts',
      kind: 'bytes',
      corpus: [
        Buffer.from(subjectOf({ tenant: 'acme', agent: 'web', set: 'files' }, 'up')),
        Buffer.from('/app/a\\\\b\\xff\\x00/c'),
        Buffer.from('set@latest~3'),
        Buffer.from('files@2031-02-03T04:05:06Z'),
        Buffer.from('17'),
        Buffer.from('bytes=17-9000000000000'),
      ],
      growthBytesMax: 4 * MIB,
      take: (input) => {
        const text = input.subarray(0, 16_384).toString('utf8');
        parseSubject(text);
        parseRange(text, 1_000_000);
        toPathText(input.subarray(0, 4096));
        if (text.startsWith('/')) parsePathText(text);
        else if (text.includes('@')) parseSetPoint(text);
        else if (/^\d/.test(text)) parsePointSelector(text);
      },
    },
    {
      name: 'bodies of HTTP requests',
      kind: 'json',
      corpus: json(
        { items: [{ node: 3 }, { node: 4, ranges: [[0, 1]] }] },
        { to: '/x', paths: ['a/b'], mode: 'in-place', extra: 'delete', effect: 'plan' },
        { point: 'latest', depth: 'data' },
        { waitMs: 5 },
      ),
      growthBytesMax: 32 * MIB,
      take: (input) => {
        const value = parseBounded(anything, input, 8 * MIB);
        const schemas = [
          contentRequestSchema,
          restoreRequestSchema,
          verifyRequestSchema,
          syncRequestSchema,
        ] as const;
        const failures: Error[] = [];
        for (const schema of schemas) {
          try {
            checked(schema, value);
          } catch (error) {
            failures.push(error instanceof Error ? error : new Error(String(error)));
          }
        }
        const strange = failures.find((error) => !(error instanceof AfterimageError));
        if (strange !== undefined) throw strange;
        if (failures.length === schemas.length && failures[0] !== undefined) throw failures[0];
      },
    },
  ];
}

/** JSON of any shape, for what checks shapes itself. */
const anything = { parse: (value: unknown): unknown => value } as Parameters<
  typeof parseBounded<unknown>
>[0];
