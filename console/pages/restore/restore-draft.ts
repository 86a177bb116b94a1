/**
 * What a restore is asked for while somebody still chooses: pure, so that what the wizard asks of
 * the replica, and what it warns of, can be held by tests without a browser.
 */
import type { RestoreJobRequest } from '../../../shared/api/restore-job.js';

export const steps = ['what', 'where', 'how', 'check', 'confirm', 'run'] as const;
export type Step = (typeof steps)[number];

/** Who gets the files: a browser, the replica's machine, or the machine that the set came from. */
export type Way = 'download' | 'replica' | 'agent';
export type Place = 'beside' | 'in-place';

export interface RestoreDraft {
  readonly set: string;
  /** Of the point; undefined while none is chosen. */
  readonly point: number | undefined;
  /** As path text; none means everything. */
  readonly paths: readonly string[];
  readonly everything: boolean;
  readonly way: Way;
  readonly format: 'tar' | 'zip';
  /** Absolute folder of the replica's machine. */
  readonly folder: string;
  readonly place: Place;
  /** Absolute folder of the application server. */
  readonly beside: string;
  readonly conflict: RestoreJobRequest['conflict'];
  readonly orphans: RestoreJobRequest['orphans'];
  readonly undoPoint: boolean;
}

/** How long the point before a restore is held. */
const UNDO_DAYS = 30;

export function beginDraft(given: {
  readonly set: string;
  readonly point?: number | undefined;
  readonly paths?: readonly string[];
}): RestoreDraft {
  const paths = given.paths ?? [];
  return {
    set: given.set,
    point: given.point,
    paths,
    everything: paths.length === 0,
    way: 'replica',
    format: 'tar',
    folder: '',
    place: 'beside',
    beside: '',
    conflict: 'overwrite',
    orphans: 'leave',
    undoPoint: true,
  };
}

/**
 * A folder of its own for a point, below the first that is allowed; '' where nothing is known of them.
 */
export function folderOffered(
  roots: readonly string[] | null,
  { set, point }: Pick<RestoreDraft, 'set' | 'point'>,
): string {
  const root = roots?.[0]?.replace(/\/$/, '');
  if (root === undefined) return '';
  return `${root}/${point === undefined ? set : `${set}-${point}`}`;
}

/** The draft for another point: the folder that was offered for the last one goes with it. */
export function withPoint(
  draft: RestoreDraft,
  {
    point,
    roots,
  }: { readonly point: number | undefined; readonly roots: readonly string[] | null },
): RestoreDraft {
  const next = { ...draft, point };
  const isOffered = draft.folder === folderOffered(roots, draft);
  return isOffered ? { ...next, folder: folderOffered(roots, next) } : next;
}

export type DraftFault = 'point' | 'paths' | 'folder' | 'beside';

/** What is still missing before the step can be left. */
export function faultsOf(draft: RestoreDraft, step: Step): DraftFault[] {
  const faults: DraftFault[] = [];
  if (step === 'what') {
    if (draft.point === undefined) faults.push('point');
    if (!draft.everything && draft.paths.length === 0) faults.push('paths');
  }
  if (step === 'where') {
    if (draft.way === 'replica' && !draft.folder.startsWith('/')) faults.push('folder');
    const besides = draft.way === 'agent' && draft.place === 'beside';
    if (besides && !draft.beside.startsWith('/')) faults.push('beside');
  }
  return faults;
}

/** The body of a restore job, without its kind and set. A download is no job. */
export function toRequest(
  draft: RestoreDraft & { readonly point: number },
  run: 'dry' | 'write',
): RestoreJobRequest {
  const { way } = draft;
  return {
    point: String(draft.point),
    paths: draft.everything ? [] : [...draft.paths],
    where: way === 'agent' ? 'agent' : 'replica',
    target: targetOf(draft),
    conflict: draft.conflict,
    orphans: draft.orphans,
    dryRun: run === 'dry',
    undoPoint: canUndo(draft) && draft.undoPoint,
    undoDays: UNDO_DAYS,
  };
}

/** Only what overwrites the set itself can be taken back by a point of it. */
export function canUndo({ way, place }: RestoreDraft): boolean {
  return way === 'agent' && place === 'in-place';
}

function targetOf(draft: RestoreDraft): RestoreJobRequest['target'] {
  if (draft.way === 'replica') return { folder: draft.folder };
  return draft.place === 'in-place' ? 'in-place' : { beside: draft.beside.trim() };
}

/** The steps that this way has: a download writes nothing anywhere, so there is nothing to check. */
export function stepsOf({ way }: RestoreDraft): readonly Step[] {
  return way === 'download' ? ['what', 'where', 'run'] : steps;
}

/** Where `GET …/download` gives what is chosen. */
export function downloadUrl(draft: RestoreDraft & { readonly point: number }): string {
  const query = new URLSearchParams();
  if (!draft.everything) for (const path of draft.paths) query.append('path', path);
  query.append('format', draft.format);
  const set = encodeURIComponent(draft.set);
  return `/v1/sets/${set}/points/${draft.point}/download?${query.toString()}`;
}
