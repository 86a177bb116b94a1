/** A restore by the replica as lines of an answer: progress now and then, actions, what became of it. */
import type { RestoreLine } from '../../shared/api/actions.js';
import { toPathText } from '../../shared/path-text.js';
import type { PointSource } from '../../shared/restore/point-source.js';
import type {
  ActionWord,
  RestoreListener,
  RestoreReport,
  RestoreRequest,
} from '../../shared/restore/request.js';
import { type RestoreMeans, restorePoint } from '../../shared/restore/restore.js';

const PROGRESS_EVERY_MS = 500;
/** Planned actions told one by one; the report counts them all. */
const ACTIONS_TOLD = 10_000;

export async function* restoreLines(
  source: PointSource,
  request: RestoreRequest,
  means: Omit<RestoreMeans, 'listener'>,
): AsyncGenerator<RestoreLine> {
  const lines = new LineBuffer(request.effect);
  const running = restorePoint(source, request, { ...means, listener: lines }).finally(() => {
    lines.end();
  });
  // Its failure is thrown below, when it is awaited.
  running.catch(() => undefined);
  try {
    for (let ended = false; !ended;) {
      await lines.ready();
      // Asked before: while lines are handed over, more may come, and the end.
      ended = lines.ended;
      yield* lines.take();
    }
    yield presentReport(await running);
  } finally {
    // What it writes through belongs to the caller: not before it has stopped may that be closed.
    await running.catch(() => undefined);
  }
}

/** Bounded: progress overtakes itself, and only the first actions are told. */
class LineBuffer implements RestoreListener {
  readonly #effect: RestoreRequest['effect'];
  #lines: RestoreLine[] = [];
  #progress: RestoreLine | undefined;
  #toldMs = performance.now();
  #actions = 0;
  #wake: () => void = () => undefined;
  #woken = false;
  #ended = false;

  constructor(effect: RestoreRequest['effect']) {
    this.#effect = effect;
  }

  onAction(action: Parameters<NonNullable<RestoreListener['onAction']>>[0]): void {
    if (this.#effect === 'write' || isQuiet(action.action)) return;
    this.#actions += 1;
    if (this.#actions > ACTIONS_TOLD) return;
    this.#lines.push({
      type: 'action',
      action: action.action,
      path: toPathText(action.path),
      kind: action.kind,
      bytes: action.bytes,
      ...(action.metadata === undefined ? {} : { metadata: [...action.metadata] }),
    });
    this.wake();
  }

  onProgress(progress: Parameters<NonNullable<RestoreListener['onProgress']>>[0]): void {
    this.#progress = { type: 'progress', ...progress };
    if (performance.now() - this.#toldMs < PROGRESS_EVERY_MS) return;
    this.#toldMs = performance.now();
    this.wake();
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    this.#ended = true;
    this.wake();
  }

  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  ready(): Promise<void> {
    if (this.#woken) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  take(): RestoreLine[] {
    this.#woken = false;
    const lines = this.#lines;
    this.#lines = [];
    if (this.#progress !== undefined) lines.push(this.#progress);
    this.#progress = undefined;
    return lines;
  }
}

/** What is only counted: it stays as it is. */
function isQuiet(action: ActionWord): boolean {
  return action === 'keep' || action === 'leave';
}

function presentReport(report: RestoreReport): RestoreLine {
  return {
    type: 'restored',
    actions: { ...report.actions },
    bytesWritten: report.bytesWritten,
    bytesCompared: report.bytesCompared,
    problemCount: report.problemCount,
    problems: report.problems.map(({ path, error }) => ({
      path: toPathText(path),
      code: error.code,
      message: error.message,
    })),
    notes: [...report.notes],
  };
}
