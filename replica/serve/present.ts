/** Turns what readers hand out into the API's JSON. */
import type { DiffLine, FoundLine } from '../../shared/api/changes.js';
import type { PointDetail, PointJson } from '../../shared/api/points.js';
import type { SetStatusJson } from '../../shared/api/status.js';
import { toNodeJson, type WalkLine } from '../../shared/api/tree.js';
import { toPathText } from '../../shared/path-text.js';
import type { DiffEntry, FoundVersion, PointSummary } from '../history/set-reader.js';
import type { FolderPart } from '../../shared/restore/point-source.js';
import { joinPath } from '../../shared/restore/set-path.js';
import type { ServedSet } from './served-set.js';

export function presentPoint(summary: PointSummary): PointJson {
  const { point, timeMs, sync, outcome, files, bytes, changedNodes, changedBytes } = summary;
  const { consistency, operation, recipe, heldMs, healed, unreadable } = outcome;
  return {
    point,
    timeMs,
    sync,
    consistency,
    operation,
    recipe,
    heldMs,
    files,
    bytes,
    changedNodes,
    changedBytes,
    healed: healed ?? null,
    unreadable: unreadable.length,
  };
}

export function presentPointDetail(set: string, summary: PointSummary): PointDetail {
  return {
    ...presentPoint(summary),
    set,
    chain: summary.chain.toString('hex'),
    manifest: summary.manifest.toString('hex'),
    outcome: summary.outcome,
  };
}

export function presentStatus(served: ServedSet, nowMs: number): SetStatusJson {
  const { agent, agentConnected, state, error, continuityMs, behindMs } = served.activity();
  const newest = served.reader.newest();
  return {
    set: served.reader.set,
    agent,
    agentConnected,
    state,
    error: error === null ? null : { code: error.code, message: error.message, hint: error.hint },
    newest: newest === undefined ? null : presentPoint(newest),
    points: served.reader.table?.count() ?? served.reader.points().length,
    lagMs: newest === undefined ? null : Math.max(0, nowMs - newest.timeMs),
    continuityMs,
    behindMs,
    space: served.reader.space(),
    scrub: served.scrub?.summary() ?? null,
  };
}

/** `digestsOf` says what small files come with. */
export function* presentPart(
  part: FolderPart,
  state: 'first' | 'more',
  digestsOf: (node: number) => Buffer | undefined,
): Generator<WalkLine> {
  if (state === 'first') {
    yield {
      type: 'folder',
      path: toPathText(part.path),
      node: part.node,
      ...(part.way ? { way: true } : {}),
    };
  }
  for (const { name, version, way } of part.entries) {
    const path = toPathText(joinPath(part.path, name));
    const line: WalkLine = { type: 'entry', path, ...toNodeJson(version) };
    if (way) line.way = true;
    const digests = version.kind === 'file' ? digestsOf(version.node) : undefined;
    if (digests !== undefined) line.digests = digests.toString('base64');
    yield line;
  }
}

export function presentFound({ path, version, from, to, live }: FoundVersion): FoundLine {
  return { type: 'found', path: toPathText(path), ...toNodeJson(version), from, to, live };
}

export function presentChange(entry: DiffEntry): DiffLine {
  return {
    type: 'change',
    path: toPathText(entry.path),
    change: entry.change,
    ...(entry.before === undefined ? {} : { before: toNodeJson(entry.before) }),
    ...(entry.after === undefined ? {} : { after: toNodeJson(entry.after) }),
    ...(entry.movedFrom === undefined ? {} : { movedFrom: toPathText(entry.movedFrom) }),
  };
}
