/**
 * What both sides say inside the handshake: who the agent is, where it stands, which frames it
 * still has; and what the replica makes of it (R13, R14). JSON, bounded and checked.
 */
import { z } from 'zod';
import { catalogue, type ErrorCode } from '../errors.js';
import { malformed } from './bytes.js';
import { PROTOCOL_VERSION } from './frame.js';
import { divergences } from './sync-outcome.js';

const HELLO_BYTES_MAX = 8 * 1024;
/** Each is dialled at once. */
export const DIRECT_ADDRESSES_MAX = 8;

const whole = z.number().int().nonnegative();
const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
const token = z.string().min(1).max(100);
/** An X25519 public key. */
const publicKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
/** The public key of a broker user, as nkeys write it. */
const brokerKey = z.string().regex(/^U[A-Z2-7]{55}$/);

const helloSchema = z.object({
  protocol: whole,
  host: z.string().max(300),
  /** Newest stored first, then the last one known to be confirmed. */
  tokens: z.array(token).max(2),
  /** The one-time token of the enrolment file, until the agent's key is pinned. */
  enrolment: token.nullable(),
  position: z.object({
    point: whole,
    chain: hex(32),
    incarnation: hex(16),
    ended: z.object({ sync: whole, manifest: hex(32) }).nullable(),
  }),
  frames: z.object({
    /** The numbering of frames on the wire: one agent process and set. */
    stream: hex(16),
    /** Sequence of the oldest frame kept; `next` when none is. */
    first: whole,
    /** True when that frame restarts the numbering, so that what came before is not missed. */
    firstRestarts: z.boolean(),
    /** Sequence of the next frame to be cut. */
    next: whole,
    /** Numbering that the replica's stage sees: its name, and what to add to get a wire sequence. */
    boot: hex(16),
    offset: whole,
    /** The sync whose `begin` was written and whose end is not known; `begin` is its first frame. */
    open: z.object({ sync: whole, begin: whole }).nullable(),
  }),
  /** The newest event of this replica process that the agent has handled. */
  seen: z.object({ epoch: hex(8), serial: whole }),
  windowBytes: whole,
  /** How well the agent knows its set at present, as its notes tell later (ack.ts). */
  watch: z.object({ continuityMs: whole, behindMs: whole }).optional(),
  /** Keys that the agent made and will use from now on, said under those it has (R23). */
  nextKeys: z.object({ publicKey, brokerKey: brokerKey.nullable() }).optional(),
  /** The agent takes the direct lane where there is one; `stream` names one that it has proven. */
  direct: z.object({ stream: hex(8).nullable() }).optional(),
  /** Whether its configuration lets restores write on its host; left out by agents that cannot. */
  restores: z.enum(['in-place', 'none']).optional(),
});
export type Hello = z.infer<typeof helloSchema>;
export type NextKeys = NonNullable<Hello['nextKeys']>;
export type HelloFrames = Hello['frames'];

/** Hosts and a port at which the replica takes direct streams; `taken`: this session goes over one. */
const directSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('taken') }),
  z.object({
    type: z.literal('offered'),
    addresses: z
      .array(
        z.object({ host: z.string().min(1).max(255), port: z.number().int().min(1).max(65_535) }),
      )
      .max(DIRECT_ADDRESSES_MAX),
  }),
]);

const outcomeSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('go-on'), resumed: z.boolean() }),
  z.object({ type: z.literal('roll-forward'), point: whole, chain: hex(32), timeMs: z.number() }),
  z.object({
    type: z.literal('diverged'),
    point: whole,
    chain: hex(32),
    reason: z.enum(divergences).optional(),
  }),
]);
export type WireOutcome = z.infer<typeof outcomeSchema>;

const framesPlanSchema = z.discriminatedUnion('type', [
  /** Send from this sequence on. */
  z.object({ type: z.literal('from'), sequence: whole }),
  /** Send everything kept again, behind a restart of the numbering. */
  z.object({ type: z.literal('restart') }),
  /** Frames of the open sync are missing on both sides: the sync is over. */
  z.object({ type: z.literal('lost') }),
]);
export type FramesPlan = z.infer<typeof framesPlanSchema>;

const welcomeSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    session: hex(8),
    /** To be stored before anything is sealed in this session. */
    token,
    /** Which of the agent's tokens is now the confirmed one; null when none was asked. */
    confirmed: z.number().int().min(0).max(1).nullable(),
    outcome: outcomeSchema,
    frames: framesPlanSchema,
    /** Names the replica's process; events are numbered within it. */
    epoch: hex(8),
    windowBytes: whole,
    /** The operator wants new keys of the agent, or of its broker user too. */
    keysAsked: z.enum(['agent', 'agent-and-broker']).optional(),
    /** The replica's newest key, when HELLO was said to an older one: the agent trusts it from now on. */
    replicaPublicKey: publicKey.optional(),
    /** Only for an agent that says that it takes the direct lane. */
    direct: directSchema.optional(),
  }),
  z.object({ type: z.literal('refused'), code: z.string().max(60), message: z.string().max(2000) }),
]);
export type Welcome = z.infer<typeof welcomeSchema>;

export function encodeHello(hello: Omit<Hello, 'protocol'>): Buffer {
  return Buffer.from(JSON.stringify({ protocol: PROTOCOL_VERSION, ...hello }));
}

/** Throws `frame-malformed`. */
export function decodeHello(bytes: Uint8Array): Hello {
  return parseBounded(helloSchema, bytes, HELLO_BYTES_MAX);
}

export function encodeWelcome(welcome: Welcome): Buffer {
  return Buffer.from(JSON.stringify(welcome));
}

/** Throws `frame-malformed`. */
export function decodeWelcome(bytes: Uint8Array): Welcome {
  return parseBounded(welcomeSchema, bytes, HELLO_BYTES_MAX);
}

/** What the handshake of one set is bound to. */
export function helloPrologue(subject: string): Buffer {
  return Buffer.from(`afterimage/${PROTOCOL_VERSION} ${subject}`);
}

/** The catalogue's code of this name; `internal` for one that this version does not know. */
export function errorCodeOf(code: string): ErrorCode {
  return code in catalogue ? (code as ErrorCode) : 'internal';
}

/** JSON of a known shape out of untrusted bytes. Throws `frame-malformed`. */
export function parseBounded<T>(schema: z.ZodType<T>, bytes: Uint8Array, bytesMax: number): T {
  if (bytes.length > bytesMax) throw malformed(`${bytes.length} bytes of JSON exceed ${bytesMax}`);
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw malformed('JSON of another shape', cause);
  }
}
