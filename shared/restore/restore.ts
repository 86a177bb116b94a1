/**
 * Restores a point, or parts of it, into folders of this machine. The process that calls it writes;
 * a replica calls it only below its restore roots (R22). Walks the point a folder at a time, plans
 * each folder against what is on disk, and hands the steps to a queue. Memory does not grow with
 * contents, and by about 50 bytes with each file. Running it again in place goes on where it stopped.
 */
import { invariant } from '../errors.js';
import type { HashCore } from '../hash/hash-core.js';
import type { Posix } from '../posix/posix.js';
import { EarlyFlush } from './early-flush.js';
import { FolderRestore } from './folder-restore.js';
import type { LocateRoot } from './folder-cursor.js';
import { LocalState } from './local-state.js';
import type { MetadataSetter } from './metadata.js';
import { Outcome } from './outcome.js';
import { Places } from './places.js';
import type { PlanRules } from './plan.js';
import type { PointSource } from './point-source.js';
import type { Spares } from './remove-tree.js';
import type { RestoreListener, RestoreReport, RestoreRequest } from './request.js';
import { isRenamedAside } from './set-aside.js';
import { splitPath } from './set-path.js';
import { StepQueue } from './step-queue.js';
import { type KeepingRules, StepRunner } from './step-runner.js';
import { partName } from './whole-file.js';
import { throwIfCancelled } from './cancelled.js';

export interface RestoreMeans {
  readonly posix: Posix;
  readonly hash: HashCore;
  readonly signal: AbortSignal;
  readonly listener?: RestoreListener;
  /** What this process may do about owners; found out when left out. */
  readonly owner?: PlanRules['owner'];
  /** What stays, whatever the policies and the point: what the set leaves out of its points. */
  readonly spares?: Spares;
}

/**
 * Rejects with `target-not-empty`, `not-found`, `cancelled`, `storage-full` and what ends the
 * connection to the source; what fails for one entry is in the report, and the others go on.
 */
export async function restorePoint(
  source: PointSource,
  request: RestoreRequest,
  means: RestoreMeans,
): Promise<RestoreReport> {
  throwIfCancelled(means.signal);
  const outcome = new Outcome(means.listener ?? {});
  const places = new Places(request);
  const local = new LocalState(means.posix, places);
  try {
    if (request.effect === 'plan') await plan({ source, request, means, outcome, local });
    else await write({ source, request, means, outcome, local }, places);
    return outcome.report();
  } finally {
    local.close();
    places.close();
  }
}

interface Work {
  readonly source: PointSource;
  readonly request: RestoreRequest;
  readonly means: RestoreMeans;
  readonly outcome: Outcome;
  readonly local: LocalState;
}

async function plan(work: Work): Promise<void> {
  const folders = folderRestore(work, () => Promise.resolve());
  const { request, means } = work;
  for await (const part of work.source.walk(request.paths, means.signal, wantedDigests(request))) {
    await folders.part(part);
  }
}

async function write(work: Work, places: Places): Promise<void> {
  const { source, request, outcome, local, means } = work;
  const { posix, hash, signal } = means;
  const locateRoot: LocateRoot = (root) => {
    const place = places.locate(root);
    invariant(place !== undefined, 'writing makes the folder that holds a root');
    return place;
  };
  const setter: MetadataSetter = {
    posix,
    rules: rulesOf(work),
    notes: outcome.notes,
    inherits: request.mode === 'in-place',
  };
  const runner = new StepRunner({ setter, outcome, locateRoot, keeping: keepingRules(work) });
  const early = new EarlyFlush(posix, () => places.descriptors());
  const onBatch = (): void => {
    early.wrote(outcome.bytesWritten);
  };
  const queue = new StepQueue({ source, hash, runner, outcome, signal, onBatch });
  const folders = folderRestore(work, (step) => queue.push(step));
  try {
    for await (const part of source.walk(request.paths, signal, wantedDigests(request))) {
      await folders.part(part);
      setter.inherits ||= part.path.length === 0 && places.inherits(posix);
    }
    await folders.finish();
    await queue.drain();
    await early.done();
    await local.flush();
  } finally {
    await queue.settle();
    await early.settle();
    runner.close();
  }
}

/** Only what is in place is compared. */
function wantedDigests({ mode }: RestoreRequest): 'small' | undefined {
  return mode === 'in-place' ? 'small' : undefined;
}

function folderRestore(
  work: Work,
  push: ConstructorParameters<typeof FolderRestore>[0]['push'],
): FolderRestore {
  const { source, outcome, local, means } = work;
  const { hash, signal } = means;
  const rules = rulesOf(work);
  const isKept = keptOrphans(work);
  const leftover = partName(work.request.label ?? noLabel);
  const spares = means.spares ?? (() => false);
  const kept = { isKept, spares, leftover };
  return new FolderRestore({ source, hash, local, rules, outcome, signal, push, ...kept });
}

function rulesOf({ request, means }: Work): PlanRules {
  return {
    conflict: request.conflict ?? { type: 'overwrite' },
    orphans: request.orphans.type,
    owner: means.owner ?? ownRights(),
    xattrs: means.posix.native ? 'restore' : 'leave',
    timeGrainNs: means.posix.native ? 1n : 1000n,
  };
}

const noLabel = 'restore';
const nothing = Buffer.alloc(0);

function keepingRules({ request: { orphans, label }, means }: Work): KeepingRules {
  const asideFolder = orphans.type === 'move-aside' ? orphans.folder : nothing;
  return { spares: means.spares, label: label ?? noLabel, asideFolder };
}

/** What this run, or one before it that stopped on the way, put there itself stays as well. */
function keptOrphans({ request: { orphans, label = noLabel }, means }: Work): Spares {
  return (path, status) => {
    if (means.spares?.(path, status) === true) return true;
    const names = splitPath(path);
    if (isRenamedAside(names.at(-1) ?? nothing, label)) return true;
    return (
      orphans.type === 'move-aside' &&
      names.length === 2 &&
      names[1]?.equals(orphans.folder) === true
    );
  };
}

function ownRights(): PlanRules['owner'] {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 ? 'restore' : { uid, gid: process.getegid?.() ?? 0 };
}
