/**
 * Shapes of who may ask: roles, tokens, sessions of the console, agents as operators see them, and the
 * settings that are in force. Secrets are in two answers alone, once each: a new token, an enrolment.
 */
import { z } from 'zod';

/** Each may do what those before it may. */
export const roles = ['viewer', 'operator', 'admin'] as const;
/** `viewer` looks and restores for itself; `operator` acts on sets; `admin` also decides what is kept and who may ask. */
export type Role = (typeof roles)[number];
export const roleSchema = z.enum(roles);

export const TOKEN_NAME_LENGTH_MAX = 100;
export const TOKEN_SETS_MAX = 1000;
export const VALID_MS_MAX = 10 * 366 * 24 * 3600 * 1000;

/** Longer than any token that is given. */
const tokenText = z.string().min(1).max(400);
const setNames = z.array(z.string().min(1).max(64)).min(1).max(TOKEN_SETS_MAX);

export const loginRequestSchema = z.object({ token: tokenText });

/** Who the caller is. */
export const meSchema = z.object({
  /** Name of the token; `local` for the one in the replica's data folder. */
  who: z.string(),
  role: roleSchema,
  /** The sets that it may see; null for all. */
  sets: z.array(z.string()).nullable(),
  via: z.enum(['token', 'session']),
  /** When the token or the session ends; null for never. */
  expiresMs: z.number().nullable(),
});
export type MeAnswer = z.infer<typeof meSchema>;

export const logoutSchema = z.object({ ended: z.boolean() });

export const tokenSchema = z.object({
  /** `token-7`: how it is named when it is revoked. */
  id: z.string(),
  name: z.string(),
  role: roleSchema,
  sets: z.array(z.string()).nullable(),
  createdMs: z.number(),
  createdBy: z.string(),
  /** To the minute; null while nobody used it. */
  lastUsedMs: z.number().nullable(),
  expiresMs: z.number().nullable(),
  revokedMs: z.number().nullable(),
  state: z.enum(['valid', 'expired', 'revoked']),
});
export type TokenJson = z.infer<typeof tokenSchema>;

export const tokensQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** Only those made before this one, by id. */
  before: z.string().optional(),
});
/** Newest first; `next` is the `before` of the next page. */
export const tokensSchema = z.object({ tokens: z.array(tokenSchema), next: z.string().nullable() });
export type TokensAnswer = z.infer<typeof tokensSchema>;

export const tokenRequestSchema = z
  .object({
    name: z.string().trim().min(1).max(TOKEN_NAME_LENGTH_MAX),
    role: roleSchema,
    /** Null for every set, also those to come. */
    sets: setNames.nullable().default(null),
    /** How long it is good for; null for ever. */
    validMs: z.number().int().min(1000).max(VALID_MS_MAX).nullable().default(null),
  })
  .refine(({ role, sets }) => role !== 'admin' || sets === null, {
    message: 'an admin sees every set',
    path: ['sets'],
  });

/** The token itself is told this once. */
export const newTokenSchema = tokenSchema.extend({ token: z.string() });
export type NewTokenAnswer = z.infer<typeof newTokenSchema>;

export const agentSchema = z.object({
  name: z.string(),
  tenant: z.string(),
  /** The sets that it owns, as far as the caller may see them. */
  sets: z.array(z.string()),
  host: z.string().nullable(),
  enrolledMs: z.number(),
  /** When it said hello last; null when it never did. */
  seenMs: z.number().nullable(),
  /** Since when its key is in force; null when it has none, or that is not known. */
  keyMs: z.number().nullable(),
  connected: z.boolean(),
  /** `enrolled`: let in, never came. `revoked`: refused; its sets and points stay. */
  state: z.enum(['enrolled', 'active', 'revoked']),
});
export type AgentJson = z.infer<typeof agentSchema>;
export const agentsSchema = z.object({ agents: z.array(agentSchema) });
export type AgentsAnswer = z.infer<typeof agentsSchema>;

export const agentRequestSchema = z.object({
  /** a-z, 0-9, _ and -. One that is known gets a new broker user and a new enrolment. */
  name: z.string().min(1).max(64),
  validMs: z
    .number()
    .int()
    .min(60_000)
    .max(366 * 24 * 3600 * 1000)
    .default(7 * 24 * 3600 * 1000),
});
export const enrolmentAnswerSchema = z.object({
  agent: z.string(),
  brokerUrl: z.string(),
  expiresMs: z.number(),
  /** What the agent's machine needs, as the text of a file; works once and is told once. */
  enrolment: z.string(),
  /** What to know about it, such as that the broker is reached on this machine alone. */
  notes: z.array(z.string()),
});
export type EnrolmentAnswer = z.infer<typeof enrolmentAnswerSchema>;
export const agentRevokedSchema = z.object({ agent: z.string(), sets: z.array(z.string()) });
export type AgentRevokedAnswer = z.infer<typeof agentRevokedSchema>;

const settingSchema = z.object({
  /** As in the configuration file: `quotas.free_bytes_min`. */
  key: z.string(),
  value: z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]),
});
/** What is in force, secrets left out. */
export const settingsSchema = z.object({
  version: z.string(),
  node: z.string(),
  host: z.string(),
  startedMs: z.number(),
  url: z.string(),
  tls: z.boolean(),
  settings: z.array(settingSchema),
  paths: z.array(z.object({ what: z.string(), path: z.string() })),
  /** Parts of this program that are not there, and what does their work instead. */
  missing: z.array(z.string()),
});
export type SettingsAnswer = z.infer<typeof settingsSchema>;

export const healthSchema = z.object({ status: z.literal('ok') });
