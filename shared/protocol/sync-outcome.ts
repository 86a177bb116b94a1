/**
 * What an agent says of a sync when it ends: how the image was taken and what it could not carry.
 * It becomes the point's third index tier; see docs/design/index.md.
 */
import { z } from 'zod';

export const consistencies = ['application', 'filesystem', 'crash'] as const;
/** Quiesced through the application; frozen or cloned at one instant; or files read at different instants. */
export type Consistency = (typeof consistencies)[number];

export const divergences = [
  'agent-state-lost',
  'agent-state-old',
  'replica-state-lost',
  'replica-state-old',
  'other-history',
] as const;
/**
 * How agent and replica came to remember different histories (R13): one of them lost what it knew,
 * or came out of an older copy; or each has points that the other never had.
 */
export type Divergence = (typeof divergences)[number];

const namesMax = 1000;
/** Requests for a sync that one sync can answer; more are answered by the next. */
export const REQUESTS_MAX = 64;

export const applicationContextSchema = z.object({
  /** 'sqlite', 'hooks', 'cgroup', 'none' … */
  kind: z.string().max(100),
  version: z.string().max(200).optional(),
  /** Where the application's files lay, and on what file system. */
  mountPoint: z.string().max(4096).optional(),
  filesystem: z.string().max(100).optional(),
  /** LSN, binlog file and position, AOF offset, WAL frame … as the application says it. */
  logPosition: z.string().max(1000).optional(),
  /** Further facts of the adapter, flat. */
  facts: z.record(z.string().max(100), z.union([z.string().max(2000), z.number(), z.boolean()])),
});
export type ApplicationContext = z.infer<typeof applicationContextSchema>;

export const syncOutcomeSchema = z.object({
  consistency: z.enum(consistencies),
  /** Name of the quiesce recipe. */
  recipe: z.string().max(100),
  /** Milliseconds the application was held; 0 when it was not. */
  heldMs: z.number().nonnegative(),
  /** Agent's clock at the instant of the image, ms since the epoch; data only. */
  imageMs: z.number(),
  /** Pre-copy rounds, the quiesced one included. */
  rounds: z.number().int().nonnegative(),
  /** 'rounds', 'clone' … */
  engine: z.string().max(100),
  /** Identifier of the file system's or storage's snapshot, where one was used. */
  snapshot: z.string().max(1000).optional(),
  /** Milliseconds since the last full scan of all roots; 0 when this sync scanned. */
  scanAgeMs: z.number().nonnegative(),
  /** Sequences of the agent's journal that this sync covers. */
  journal: z.object({ from: z.number().int(), to: z.number().int() }),
  /** 'first' | 'schedule' | 'change' | 'manual' | 'reconcile' */
  operation: z.string().max(100),
  /** Requests (`sync-asked`) that it answers: it began after they were made. None when left out. */
  requests: z.array(z.string().max(200)).max(REQUESTS_MAX).optional(),
  /** Set when agent and replica were found diverged and compared everything. */
  reconciled: z.boolean(),
  /** What this point healed: why everything was compared. None when left out. */
  healed: z.enum(divergences).optional(),
  /** A restore to the agent's host that wrote since the point before; `done` when it had ended. */
  restored: z
    .object({ point: z.number().int().positive(), order: z.string().max(80), done: z.boolean() })
    .optional(),
  /** How long the agent's journal had been without a gap when the sync began, ms; 0: one was open. */
  continuityMs: z.number().nonnegative().optional(),
  /** Names that make the point less than its recipe promised (R16), as path text. */
  movedWhileHeld: z.array(z.string()).max(namesMax),
  /** Files that could not be read; the point has their previous state or lacks them. */
  unreadable: z.array(z.string()).max(namesMax),
  /** Kinds of metadata this agent cannot carry (no native part). */
  notCarried: z.array(z.string().max(100)).max(50),
  applications: z.array(applicationContextSchema).max(100),
  /** Where it came from: host name and roots by name. */
  source: z.object({ host: z.string().max(300), roots: z.record(z.string().max(255), z.string()) }),
  /** Counts for the operator. */
  counts: z.object({
    filesChanged: z.number().int().nonnegative(),
    bytesRead: z.number().nonnegative(),
    bytesSent: z.number().nonnegative(),
  }),
  /** Longest stretch in which the agent's thread answered nobody, until `end` was sent, ms. */
  agentBlockMsMax: z.number().nonnegative().optional(),
});
export type SyncOutcome = z.infer<typeof syncOutcomeSchema>;
