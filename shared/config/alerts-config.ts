/** What a replica raises alarms about, and whom it tells: part of its configuration. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { type AlarmKind, alarmKinds } from '../api/alarms.js';
import { isWireName } from '../protocol/subject.js';
import { duration } from './quantity.js';

const path = z.string().min(1).meta({ type: 'path' });
const lag = z.union([z.literal('never'), duration({ min: 1_000 })]);

const httpUrl = z
  .string()
  .refine(
    (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
    'a URL that begins with http:// or https://',
  )
  .meta({ type: 'URL' });

const webhookSchema = z.strictObject({
  url: httpUrl,
  secret_file: path.optional(),
  kinds: z.array(z.enum(alarmKinds)).min(1).optional(),
  sets: z.array(z.string()).min(1).optional(),
});

export const alertsSchema = z.strictObject({
  lag_max: lag.default('never'),
  sets: z
    .record(z.string(), lag)
    .default({})
    .superRefine((targets, context) => {
      for (const name of Object.keys(targets)) {
        if (!isWireName(name))
          context.addIssue({ code: 'custom', path: [name], message: 'a name' });
      }
    }),
  agent_away: z.union([z.literal('never'), duration({ min: 1_000 })]).prefault('5m'),
  gap: z.union([z.literal('never'), duration({ min: 1_000 })]).prefault('5m'),
  webhooks: z.array(webhookSchema).max(16).default([]),
});

export interface WebhookConfig {
  readonly url: string;
  /** Its first line signs what is sent; read anew for every delivery. */
  readonly secretFile: string | undefined;
  /** Undefined for all. */
  readonly kinds: readonly AlarmKind[] | undefined;
  /** Undefined for all, and for alarms of the replica. */
  readonly sets: readonly string[] | undefined;
}

export interface AlertsConfig {
  /** Lag above which a set is an alarm, ms; Infinity for none. */
  readonly lagMaxMs: number;
  /** Of the sets named. */
  readonly lagMaxMsOf: Readonly<Record<string, number>>;
  /** An agent that is not connected for so long is an alarm, ms; Infinity for none. */
  readonly agentAwayMs: number;
  /** A gap that stays open for so long is one, ms; Infinity for none. */
  readonly gapMs: number;
  readonly webhooks: readonly WebhookConfig[];
}

export function toAlerts(file: z.infer<typeof alertsSchema>, folder: string): AlertsConfig {
  const ms = (value: number | 'never'): number => (value === 'never' ? Infinity : value);
  return {
    lagMaxMs: ms(file.lag_max),
    lagMaxMsOf: Object.fromEntries(
      Object.entries(file.sets).map(([name, value]) => [name, ms(value)]),
    ),
    agentAwayMs: ms(file.agent_away),
    gapMs: ms(file.gap),
    webhooks: file.webhooks.map(({ url, secret_file, kinds, sets }) => ({
      url,
      secretFile: secret_file === undefined ? undefined : resolve(folder, secret_file),
      kinds,
      sets,
    })),
  };
}
