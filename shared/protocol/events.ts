/**
 * What the replica tells about syncs, and asks, as numbered events that are sent until the agent
 * says it has handled them: a lost message delays one, it never loses one.
 */
import { z } from 'zod';
import { parseBounded } from './hello.js';

/** Blocks asked for in one refusal; more are found by the next attempt. */
export const WANTS_MAX = 1000;
const EVENTS_BYTES_MAX = 256 * 1024;
/** Events kept for an agent that has not handled them. */
export const EVENTS_MAX = 64;

const whole = z.number().int().nonnegative();
const failure = { code: z.string().max(60), message: z.string().max(2000) };

const eventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('sealed'), sync: whole }),
  z.object({
    type: z.literal('committed'),
    sync: whole,
    point: whole,
    chain: z.string().regex(/^[0-9a-f]{64}$/),
    timeMs: z.number(),
  }),
  z.object({
    type: z.literal('refused'),
    sync: whole,
    ...failure,
    wants: z.array(z.tuple([whole, whole])).max(WANTS_MAX),
  }),
  /** Blocks of the newest point that are damaged on the replica: the next sync sends them whole. */
  z.object({ type: z.literal('wanted'), blocks: z.array(z.tuple([whole, whole])).max(WANTS_MAX) }),
  z.object({ type: z.literal('stalled'), ...failure }),
  z.object({ type: z.literal('resumed') }),
  z.object({ type: z.literal('sync-asked'), request: z.string().max(200) }),
  /** An operator asks the agent to restore; what, it asks for itself (restore-question.ts). */
  z.object({ type: z.literal('restore-asked'), order: z.string().max(80) }),
  /** Somebody else showed this agent's token: a HELLO rotates it away from them (R14). */
  z.object({ type: z.literal('say-hello') }),
]);
export type WireEvent = z.infer<typeof eventSchema>;

const eventsSchema = z.array(z.object({ serial: whole, event: eventSchema })).max(EVENTS_MAX);
export type NumberedEvent = z.infer<typeof eventsSchema>[number];

export function encodeEvents(events: readonly NumberedEvent[]): Buffer {
  return Buffer.from(JSON.stringify(events));
}

/** Throws `frame-malformed`. */
export function decodeEvents(bytes: Uint8Array): NumberedEvent[] {
  return parseBounded(eventsSchema, bytes, EVENTS_BYTES_MAX);
}
