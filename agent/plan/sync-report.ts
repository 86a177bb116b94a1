/** The outcome that a sync's `end` carries: it becomes the point's third index tier. */
import { hostname } from 'node:os';
import {
  syncOutcomeSchema,
  type Divergence,
  type SyncOutcome,
} from '../../shared/protocol/sync-outcome.js';
import type { ImageTaken } from '../image/image-engine.js';
import type { Findings } from './findings.js';
import type { RootPath } from './open-roots.js';

/** Why a sync was made. */
export type Operation = 'first' | 'schedule' | 'change' | 'manual' | 'reconcile';

export interface ReportedSync {
  readonly recipe: string;
  readonly image: ImageTaken;
  readonly operation: Operation;
  /** Why everything was compared; undefined when it was not. */
  readonly healed: Divergence | undefined;
  readonly continuityMs: number;
  /** Since the last look at everything, ms; 0 when this sync looked at everything. */
  readonly scanAgeMs: number;
  /** Requests for a sync that this one answers. */
  readonly requests: readonly string[];
  readonly restored: SyncOutcome['restored'];
  readonly roots: readonly RootPath[];
  readonly notCarried: readonly string[];
  readonly journal: { readonly from: number; readonly to: number };
  readonly findings: Findings;
  readonly bytesSent: number;
  /** Longest stretch in which the agent's thread did nothing else, ms. */
  readonly agentBlockMsMax: number | undefined;
}

const FIELD_BYTES_MAX = 256 * 1024;
const HOST_MAX = 300;

/** As JSON, at most 256 KiB: lists of names give way when it would be more. */
export function describeOutcome(sync: ReportedSync): Buffer {
  const { image, findings } = sync;
  const outcome: SyncOutcome = {
    consistency: image.consistency,
    recipe: sync.recipe,
    heldMs: image.heldMs,
    imageMs: image.imageMs,
    rounds: image.rounds,
    engine: image.engine,
    ...(image.snapshot === undefined ? {} : { snapshot: image.snapshot }),
    scanAgeMs: sync.scanAgeMs,
    journal: sync.journal,
    operation: sync.operation,
    ...(sync.requests.length === 0 ? {} : { requests: [...sync.requests] }),
    ...(sync.restored === undefined ? {} : { restored: sync.restored }),
    reconciled: sync.operation === 'reconcile',
    ...(sync.healed === undefined ? {} : { healed: sync.healed }),
    continuityMs: sync.continuityMs,
    movedWhileHeld: [...image.movedWhileHeld],
    unreadable: findings.unreadablePaths,
    notCarried: [...sync.notCarried],
    applications: [...image.applications],
    source: {
      host: hostname().slice(0, HOST_MAX),
      roots: Object.fromEntries(sync.roots.map(({ name, path }) => [name, path])),
    },
    counts: {
      filesChanged: findings.nodesChanged,
      bytesRead: findings.bytesRead,
      bytesSent: sync.bytesSent,
    },
    ...(sync.agentBlockMsMax === undefined ? {} : { agentBlockMsMax: sync.agentBlockMsMax }),
  };
  return encodeWithin(syncOutcomeSchema.parse(outcome));
}

function encodeWithin(outcome: SyncOutcome): Buffer {
  let { movedWhileHeld, unreadable } = outcome;
  for (;;) {
    const bytes = Buffer.from(JSON.stringify({ ...outcome, movedWhileHeld, unreadable }));
    if (bytes.length <= FIELD_BYTES_MAX) return bytes;
    movedWhileHeld = movedWhileHeld.slice(0, movedWhileHeld.length >>> 1);
    unreadable = unreadable.slice(0, unreadable.length >>> 1);
  }
}
