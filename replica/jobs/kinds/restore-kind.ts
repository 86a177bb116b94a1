/**
 * Restores a point, or paths of it, into a folder of the replica's machine below a restore root (R22).
 * Begun again after an interruption it goes on: what is in place already is compared and left.
 */
import { closeSync } from 'node:fs';
import type { JobResult } from '../../../shared/api/jobs.js';
import { TROUBLES_MAX } from '../../../shared/api/jobs.js';
import { type RestoreJobRequest, restoreJobSchema } from '../../../shared/api/restore-job.js';
import { AfterimageError } from '../../../shared/errors.js';
import { parsePathText, toPathText } from '../../../shared/path-text.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { PlannedActions } from '../../../shared/restore/planned-actions.js';
import { isEntryName } from '../../../shared/protocol/records.js';
import { conflictPolicy, orphanPolicy } from '../../../shared/restore/policies.js';
import type {
  RestoreAction,
  RestoreReport,
  RestoreRequest,
  RestoreTarget,
} from '../../../shared/restore/request.js';
import { restorePoint } from '../../../shared/restore/restore.js';
import { cleanPath } from '../../../shared/restore/set-path.js';
import {
  openRestoreFolder,
  openRestoreFolderIfThere,
  placeBelow,
} from '../../../shared/restore/target-folder.js';
import { ViewSource } from '../../restore/view-source.js';
import { checkPaths } from '../../serve/check-paths.js';
import { findPoint, findSet, pathOf } from '../../serve/requests.js';
import { type AnyJobKind, type JobContext, jobKind } from '../job-kind.js';
import type { KindDeps } from './kind-deps.js';

/** Planned actions told one by one, in the log. */
const TOLD_MAX = 500;

export function restoreHereKind(deps: KindDeps): AnyJobKind {
  return jobKind({
    kind: 'restore',
    where: 'replica',
    schema: restoreJobSchema,
    role: 'operator',
    about: 'set',
    // A restore must not wait for retention, which leaves alone what is read.
    effect: 'reads',
    afterInterruption: 'goes-on',
    settle: (set, request) => {
      const served = findSet(deps.sets(), set);
      const { point } = findPoint(served, request.point);
      placeBelow(deps.restoreRoots, folderOf(request));
      if (request.aside !== undefined) asideName(request.aside);
      checkPaths(served, point, request.paths);
      return { ...request, point: String(point) };
    },
    // However it is written, it is one folder.
    target: (_set, request) => cleanPath(parsePathText(folderOf(request))).toString('latin1'),
    run: (context) => restoreHere(deps, context),
  });
}

async function restoreHere(
  deps: KindDeps,
  context: JobContext<RestoreJobRequest>,
): Promise<JobResult> {
  const { request, set, id, signal, progress } = context;
  const served = findSet(deps.sets(), set);
  const summary = findPoint(served, request.point);
  const whole = request.paths.length === 0;
  progress({
    step: request.dryRun ? 'planning' : 'restoring',
    bytesTotal: whole ? summary.bytes : null,
    filesTotal: whole ? summary.files : null,
  });
  const view = served.reader.open(summary.point);
  try {
    const target = targetOf(deps, request);
    const asked: RestoreRequest = {
      target,
      mode: 'in-place',
      conflict: conflictPolicy(request.conflict, { ms: summary.outcome.imageMs }),
      orphans: orphanPolicy(request.orphans, asideName(request.aside ?? `afterimage-aside-${id}`)),
      label: id,
      effect: request.dryRun ? 'plan' : 'write',
      paths: request.paths.map(pathOf),
    };
    const planned = new PlannedActions(asked.effect);
    let told = 0;
    try {
      const report = await restorePoint(new ViewSource(view, deps.hash), asked, {
        posix: loadPosix(),
        hash: deps.hash,
        signal,
        listener: {
          onProgress: ({ entries, bytes }) => {
            progress({ files: entries, bytes });
          },
          onAction: (action) => {
            planned.add(action);
            if (!request.dryRun || action.action === 'keep') return;
            told += 1;
            if (told <= TOLD_MAX) context.log(actionText(action));
          },
        },
      });
      return resultOf(report, request, planned);
    } finally {
      if (target.type === 'opened') closeSync(target.fd);
    }
  } finally {
    view.close();
  }
}

function targetOf({ restoreRoots }: KindDeps, request: RestoreJobRequest): RestoreTarget {
  const folder = folderOf(request);
  if (!request.dryRun) return { type: 'opened', fd: openRestoreFolder(restoreRoots, folder) };
  const fd = openRestoreFolderIfThere(restoreRoots, folder);
  return fd === undefined
    ? { type: 'folder', folder: parsePathText(folder) }
    : { type: 'opened', fd };
}

function asideName(text: string): Buffer {
  const name = parsePathText(text);
  if (isEntryName(name)) return name;
  throw new AfterimageError('argument-invalid', `aside: ${text} is no name that a folder may have`);
}

function folderOf({ target }: RestoreJobRequest): string {
  if (typeof target === 'object' && 'folder' in target) return target.folder;
  throw new AfterimageError(
    'target-refused',
    'the replica restores into a folder that is named; where the set came from, its agent restores',
  );
}

function actionText({ action, path, bytes }: RestoreAction): string {
  return `${action} ${toPathText(path)}${bytes > 0 ? ` (${bytes} bytes)` : ''}`;
}

function resultOf(
  report: RestoreReport,
  request: RestoreJobRequest,
  planned: PlannedActions,
): JobResult {
  const { actions, bytesWritten, bytesCompared, problems, problemCount, notes } = report;
  const done = Object.entries(actions).filter(([, count]) => count > 0);
  const counted = done.map(([action, count]) => `${action} ${count}`).join(', ') || 'nothing';
  const failed = problemCount === 0 ? '' : `; ${problemCount} entries were not restored`;
  return {
    text: `${request.dryRun ? 'would be: ' : ''}${counted}${failed}`,
    counts: { ...actions, bytesWritten, bytesCompared },
    troubles: problems.slice(0, TROUBLES_MAX).map(({ path, error }) => ({
      path: toPathText(path),
      code: error.code,
      message: error.message,
    })),
    troubleCount: problemCount,
    notes: [...notes],
    ...(request.dryRun ? { planned: planned.lines } : {}),
  };
}
