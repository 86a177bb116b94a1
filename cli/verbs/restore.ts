/** `restore`: brings a point, or parts of it, back into folders of this machine. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { PointDetail } from '../../shared/api/points.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { parsePathText, toPathText } from '../../shared/path-text.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { isEntryName } from '../../shared/protocol/records.js';
import {
  conflictPolicy,
  conflictWords,
  orphanPolicy,
  type OrphanWord,
  orphanWords,
} from '../../shared/restore/policies.js';
import type {
  RestoreAction,
  RestoreReport,
  RestoreRequest,
  RestoreTarget,
} from '../../shared/restore/request.js';
import { restorePoint } from '../../shared/restore/restore.js';
import { formatBytes, formatCount, formatDuration, formatTime } from '../format.js';
import { HttpSource } from '../http-source.js';
import { Progress } from '../progress.js';
import { originalRoots, parseSetPath } from '../set-paths.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

interface Options {
  readonly to?: string;
  readonly inPlace?: boolean;
  readonly delete?: boolean;
  readonly conflict: string;
  readonly orphans?: string;
  readonly aside: string;
  readonly dryRun?: boolean;
}

export function addRestore(program: Command, invoke: Invoke): void {
  addVerb(program, 'restore', 'Bring a point, or paths of it, back onto this machine')
    .argument('<set@point>', 'such as shop@latest')
    .argument('[paths...]', 'only these, from the root names down or as they were on the host')
    .option('--to <folder>', 'into FOLDER/<root name>; a new or empty folder without --in-place')
    .option('--in-place', 'rewrite only what differs; without --to, where the set came from')
    .option('--delete', 'delete what the point lacks, below what is restored: --orphans delete')
    .addOption(
      new Option('--conflict <policy>', 'what becomes of files that differ from the point')
        .choices(conflictWords)
        .default('overwrite'),
    )
    .addOption(
      new Option('--orphans <policy>', 'what becomes of what the point lacks; left unless told')
        .choices(orphanWords)
        .conflicts('delete'),
    )
    .option(
      '--aside <name>',
      'folder in each root that --orphans move-aside moves to',
      'moved-aside',
    )
    .option('--dry-run', 'print what would be done and write nothing')
    .action((at: string, paths: readonly string[], options: Options, command: Command) =>
      invoke(command, async (context) => {
        if (options.to === undefined && options.inPlace !== true) {
          throw new AfterimageError('argument-invalid', 'say where: --to FOLDER, or --in-place');
        }
        const point = await context.findPoint(at);
        const request = requestOf(point, { paths, options, folder: context.io.folder });
        return await restore(context, point, request);
      }),
    );
}

function requestOf(
  point: PointDetail,
  asked: { readonly paths: readonly string[]; readonly options: Options; readonly folder: string },
): RestoreRequest {
  const { paths, options, folder } = asked;
  const target: RestoreTarget =
    options.to === undefined
      ? { type: 'roots', roots: originalRoots(point) }
      : { type: 'folder', folder: Buffer.from(resolve(folder, options.to)) };
  return {
    target,
    mode: options.inPlace === true ? 'in-place' : 'fresh',
    conflict: conflictPolicy(word(conflictWords, options.conflict), {
      ms: point.outcome.imageMs,
    }),
    orphans: orphanPolicy(orphanWord(options), asideName(options.aside)),
    label: `restore-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '').toLowerCase()}`,
    effect: options.dryRun === true ? 'plan' : 'write',
    paths: paths.map((path) => parseSetPath(path, point)),
  };
}

function orphanWord({ delete: deletes, orphans }: Options): OrphanWord {
  if (orphans !== undefined) return word(orphanWords, orphans);
  return deletes === true ? 'delete' : 'leave';
}

function word<Word extends string>(words: readonly Word[], text: string): Word {
  const found = words.find((each) => each === text);
  if (found !== undefined) return found;
  throw new AfterimageError('argument-invalid', `${text}: one of ${words.join(', ')}`);
}

function asideName(text: string): Buffer {
  const name = parsePathText(text);
  if (isEntryName(name)) return name;
  throw new AfterimageError('argument-invalid', `--aside ${text}: a name without /`);
}

async function restore(
  context: VerbContext,
  point: PointDetail,
  request: RestoreRequest,
): Promise<number> {
  const { io, json } = context;
  const started = performance.now();
  const whole = request.paths.length === 0;
  const planned = new PlanPrinter(context);
  if (!json && request.target.type === 'roots') {
    for (const [root, path] of request.target.roots) {
      io.err(`root ${toPathText(Buffer.from(root, 'latin1'))} is at ${toPathText(path)}\n`);
    }
  }
  const progress =
    json || request.effect === 'plan'
      ? undefined
      : new Progress(io, `restoring ${point.set}@${point.point}`, whole ? point : {});
  try {
    const report = await restorePoint(new HttpSource(context.api, point), request, {
      posix: loadPosix(),
      hash: createHashCore(),
      signal: io.signal,
      listener: {
        onProgress: (state) => {
          progress?.update(state);
        },
        onAction: (action) => {
          if (request.effect === 'plan') planned.add(action);
        },
      },
    });
    progress?.stop();
    await planned.flush();
    await printReport(context, { point, request, report, elapsedMs: performance.now() - started });
    if (report.damaged) return ExitCode.damaged;
    return report.problemCount === 0 ? ExitCode.ok : ExitCode.mismatch;
  } finally {
    progress?.stop();
  }
}

/** Prints planned actions in pieces; what stays as it is is only counted. */
class PlanPrinter {
  readonly #context: VerbContext;
  #lines = '';
  #printed: Promise<void> = Promise.resolve();

  constructor(context: VerbContext) {
    this.#context = context;
  }

  add({ action, path, kind, bytes, metadata }: RestoreAction): void {
    if (action === 'keep' || action === 'leave') return;
    const text = toPathText(path);
    if (this.#context.json) {
      const object = { type: 'action', action, path: text, kind, bytes, metadata };
      this.#lines += `${JSON.stringify(object)}\n`;
    } else {
      const amount = bytes > 0 ? `  ${formatBytes(bytes)}` : '';
      const what = metadata === undefined ? amount : `  ${metadata.join(', ')}`;
      this.#lines += `${action.padEnd(7)}  ${text}${kind === 'folder' ? '/' : ''}${what}\n`;
    }
    if (this.#lines.length > 65_536) void this.flush();
  }

  flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = '';
    if (lines !== '') this.#printed = this.#printed.then(() => this.#context.io.out(lines));
    return this.#printed;
  }
}

interface Done {
  readonly point: PointDetail;
  readonly request: RestoreRequest;
  readonly report: RestoreReport;
  readonly elapsedMs: number;
}

async function printReport(context: VerbContext, done: Done): Promise<void> {
  const { point, request, report, elapsedMs } = done;
  const object = {
    type: 'restored',
    set: point.set,
    point: point.point,
    dryRun: request.effect === 'plan',
    actions: report.actions,
    bytesWritten: report.bytesWritten,
    bytesCompared: report.bytesCompared,
    problemCount: report.problemCount,
    problems: report.problems.map(({ path, error }) => ({
      path: toPathText(path),
      code: error.code,
      message: error.message,
      facts: error.facts,
    })),
    notes: report.notes,
    elapsedMs: Math.round(elapsedMs),
  };
  await context.print(object, () => formatReport(done));
  if (context.json) return;
  for (const { path, error } of report.problems) {
    context.io.err(`not restored: ${toPathText(path)}: ${error.message}\n`);
  }
  const left = report.problemCount - report.problems.length;
  if (left > 0) context.io.err(`and ${formatCount(left)} more\n`);
  for (const note of report.notes) context.io.err(`note: ${note}\n`);
}

function formatReport({ point, request, report, elapsedMs }: Done): string {
  const counts = Object.entries(report.actions)
    .filter(([, count]) => count > 0)
    .map(
      ([action, count]) => `${formatCount(count)} ${pastWords[action as keyof typeof pastWords]}`,
    )
    .join(', ');
  const of = `${point.set}@${point.point} of ${formatTime(point.timeMs)}`;
  if (request.effect === 'plan') return `${of}: would be ${counts}; nothing was written\n`;
  const wrote = `${formatBytes(report.bytesWritten)} written in ${formatDuration(elapsedMs)}`;
  const failed = report.problemCount === 0 ? '' : `, ${formatCount(report.problemCount)} failed`;
  return `${of}: ${counts}${failed}; ${wrote}\n`;
}

const pastWords = {
  create: 'created',
  rewrite: 'rewritten',
  adjust: 'adjusted',
  replace: 'replaced',
  link: 'linked',
  delete: 'deleted',
  keep: 'kept',
  spare: 'left though they differ',
  rename: 'restored beside what was there',
  move: 'moved aside',
  leave: 'left that the point lacks',
} as const;
