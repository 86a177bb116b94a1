/** Carries out one order with the engine of shared/restore, and says what became of it. */
import type { RestoreConfig, SetConfig } from '../../shared/config/agent-config.js';
import { AfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { parsePathText, toPathText } from '../../shared/path-text.js';
import {
  type PlannedLine,
  REPORT_TEXT_MAX,
  REPORTED_PROBLEMS_MAX,
  type RestoreOrder,
  type RestoreReportMessage,
} from '../../shared/protocol/restore-question.js';
import { isEntryName } from '../../shared/protocol/records.js';
import type { FolderPart, PointSource } from '../../shared/restore/point-source.js';
import { PlannedActions } from '../../shared/restore/planned-actions.js';
import { conflictPolicy, orphanPolicy } from '../../shared/restore/policies.js';
import {
  type RestoreProgress,
  type RestoreReport,
  type RestoreRequest,
} from '../../shared/restore/request.js';
import { restorePoint } from '../../shared/restore/restore.js';
import { cleanPath } from '../../shared/restore/set-path.js';
import { openRestorePlace, type PlaceParts } from './restore-place.js';
import { type Ask, WireSource } from './wire-source.js';

export interface CarryOut {
  readonly set: SetConfig;
  readonly allowed: RestoreConfig;
  readonly place: PlaceParts;
  readonly createCore: () => HashCore;
  readonly ask: Ask;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RestoreProgress) => void;
}

const NOTE_LENGTH_MAX = 500;
const PROBLEMS_BYTES_MAX = 64 * 1024;

type TroubleLine = Extract<RestoreReportMessage, { state: 'done' }>['problems'][number];

/** Rejects with what refuses or ends the whole restore. */
export async function carryOut(order: RestoreOrder, work: CarryOut): Promise<RestoreReportMessage> {
  const { set, allowed, place: parts, signal } = work;
  const place = openRestorePlace({ set, allowed, order, parts });
  const planned = new PlannedActions(order.effect);
  const { ask } = work;
  const source = new WireSource({ set: set.name, point: order.point, order: order.id, ask });
  const request: RestoreRequest = {
    target: place.target,
    mode: 'in-place',
    conflict: conflictPolicy(order.conflict, { ms: order.imageMs }),
    orphans: orphanPolicy(order.orphans, asideName(order.aside)),
    label: order.label,
    effect: order.effect,
    paths: order.paths.map((path) => cleanPath(parsePathText(path))),
  };
  const unknown = new Set<string>();
  try {
    const { roots } = place;
    const known = roots === undefined ? source : new RootsOnly(source, roots, unknown);
    const report = await restorePoint(known, request, {
      posix: parts.posix,
      hash: work.createCore(),
      signal,
      ...(place.spares === undefined ? {} : { spares: place.spares }),
      listener: {
        onAction: (action) => {
          planned.add(action);
        },
        onProgress: work.onProgress,
      },
    });
    return reportOf(report, { planned: planned.lines, unknown });
  } finally {
    place.close();
  }
}

function asideName(text: string): Buffer {
  const name = parsePathText(text);
  if (isEntryName(name)) return name;
  throw new AfterimageError('argument-invalid', `${text} is no name that a folder may have`);
}

/** Leaves out roots that the set has no more: nobody here says where they would go. */
class RootsOnly implements PointSource {
  readonly set: string;
  readonly point: number;
  readonly #source: PointSource;
  readonly #roots: ReadonlySet<string>;
  readonly #unknown: Set<string>;
  readonly digests: PointSource['digests'];
  readonly read: PointSource['read'];

  constructor(source: PointSource, roots: ReadonlySet<string>, unknown: Set<string>) {
    this.set = source.set;
    this.point = source.point;
    this.#source = source;
    this.#roots = roots;
    this.#unknown = unknown;
    this.digests = source.digests.bind(source);
    this.read = source.read.bind(source);
  }

  async *walk(...asked: Parameters<PointSource['walk']>): AsyncGenerator<FolderPart> {
    for await (const part of this.#source.walk(...asked)) {
      if (part.path.length > 0) {
        yield part;
        continue;
      }
      const entries = part.entries.filter(({ name }) => {
        const known = this.#roots.has(name.toString('latin1'));
        if (!known) this.#unknown.add(toPathText(name));
        return known;
      });
      yield { ...part, entries };
    }
  }
}

/** As many as one message takes, however long their paths are. */
function toldProblems({ problems }: RestoreReport): TroubleLine[] {
  const told: TroubleLine[] = [];
  let length = 0;
  for (const { path, error } of problems.slice(0, REPORTED_PROBLEMS_MAX)) {
    const line = {
      path: toPathText(path),
      code: error.code,
      message: error.message.slice(0, REPORT_TEXT_MAX),
    };
    length += Buffer.byteLength(JSON.stringify(line));
    if (length > PROBLEMS_BYTES_MAX) break;
    told.push(line);
  }
  return told;
}

function reportOf(
  report: RestoreReport,
  { planned, unknown }: { readonly planned: PlannedLine[]; readonly unknown: ReadonlySet<string> },
): RestoreReportMessage {
  const { actions, bytesWritten, bytesCompared, damaged, problemCount } = report;
  const roots = [...unknown].map((name) => `root ${name} is none of this set any more`);
  return {
    state: 'done',
    actions: { ...actions },
    bytesWritten,
    bytesCompared,
    damaged,
    problemCount,
    problems: toldProblems(report),
    notes: [...roots, ...report.notes].slice(0, 50).map((note) => note.slice(0, NOTE_LENGTH_MAX)),
    planned,
  };
}
