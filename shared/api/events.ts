/**
 * Shapes of `GET /v1/events`, a stream of server-sent events. Each has an `id` to go on from with
 * Last-Event-ID, an `event` that names its type, and one line of `data` as JSON. A comment comes every
 * `HEARTBEAT_MS` when nothing else does. Only what the caller may see is sent.
 */
import { z } from 'zod';
import { alarmSchema } from './alarms.js';
import { jobSchema } from './jobs.js';
import { pointSchema } from './points.js';
import { setStates } from './status.js';

export const EVENT_STREAM_TYPE = 'text/event-stream';
export const HEARTBEAT_MS = 15_000;

/**
 * `hello` begins every stream: `resumed` is false when events between Last-Event-ID and now are gone
 * (or none was given), so that everything shown has to be asked for again.
 */
export const helloEventSchema = z.object({
  resumed: z.boolean(),
  nowMs: z.number(),
  version: z.string(),
});
/** A job as it is now; at most about four a second for each job, and always the last. */
export const jobEventSchema = jobSchema;
/** A point was cut. */
export const pointEventSchema = z.object({ set: z.string(), point: pointSchema });
/** A set is in another state than before; ask for `/v1/status` to know more. */
export const setEventSchema = z.object({
  set: z.string(),
  state: z.enum(setStates),
  agentConnected: z.boolean(),
  error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
});
export type SetEventJson = z.infer<typeof setEventSchema>;
/** An alarm began, changed or ended. */
export const alarmEventSchema = alarmSchema;

/** `data` of each event by its name. */
export const eventSchemas = {
  hello: helloEventSchema,
  job: jobEventSchema,
  point: pointEventSchema,
  set: setEventSchema,
  alarm: alarmEventSchema,
} as const;
export type EventName = keyof typeof eventSchemas;
export type EventData<Name extends EventName> = z.infer<(typeof eventSchemas)[Name]>;

/** `set` may be given to hear of one set only; `types` as `job,point` to hear of these only. */
export const eventsQuerySchema = z.object({
  set: z.string().optional(),
  types: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(['job', 'point', 'set', 'alarm'])))
    .optional(),
  /** For clients that cannot set the Last-Event-ID header. */
  lastEventId: z.string().max(64).optional(),
});
