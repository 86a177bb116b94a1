/** Gathers what became of a restore: counts, problems of single entries, notes. */
import { AfterimageError, asAfterimageError } from '../errors.js';
import { toPathText } from '../path-text.js';
import { Notes } from './metadata.js';
import {
  type ActionWord,
  PROBLEMS_KEPT,
  type RestoreAction,
  type RestoreListener,
  type RestoreProblem,
  type RestoreReport,
} from './request.js';

/** Failures that no other entry will be spared: the restore stops. */
const fatalCodes: ReadonlySet<string> = new Set([
  'storage-full',
  'cancelled',
  'replica-unreachable',
  'unauthorised',
  'restore-unknown',
  'internal',
]);

export class Outcome {
  readonly notes = new Notes();
  bytesWritten = 0;
  bytesCompared = 0;
  readonly #listener: RestoreListener;
  readonly #actions: Record<ActionWord, number> = {
    create: 0,
    rewrite: 0,
    adjust: 0,
    replace: 0,
    link: 0,
    delete: 0,
    keep: 0,
    spare: 0,
    rename: 0,
    move: 0,
    leave: 0,
  };
  readonly #problems: RestoreProblem[] = [];
  #problemCount = 0;
  #damaged = false;
  #entries = 0;
  #bytes = 0;

  constructor(listener: RestoreListener) {
    this.#listener = listener;
  }

  act(action: RestoreAction): void {
    this.#actions[action.action] += 1;
    this.#listener.onAction?.(action);
  }

  advance(by: { readonly entries?: number; readonly bytes?: number }): void {
    this.#entries += by.entries ?? 0;
    this.#bytes += by.bytes ?? 0;
    this.#listener.onProgress?.({ entries: this.#entries, bytes: this.#bytes });
  }

  /** Notes a failed entry, or throws what ends the whole restore. */
  fail(path: Buffer, cause: unknown): void {
    const error = asAfterimageError(cause);
    if (fatalCodes.has(error.code)) throw error;
    this.#problemCount += 1;
    if (error.code === 'damaged') this.#damaged = true;
    if (this.#problems.length < PROBLEMS_KEPT) {
      this.#problems.push({ path, error: withPath(error, path) });
    }
  }

  report(): RestoreReport {
    return {
      actions: { ...this.#actions },
      bytesWritten: this.bytesWritten,
      bytesCompared: this.bytesCompared,
      problems: this.#problems,
      problemCount: this.#problemCount,
      damaged: this.#damaged,
      notes: this.notes.list(),
    };
  }
}

function withPath(error: AfterimageError, path: Buffer): AfterimageError {
  return new AfterimageError(error.code, error.message, {
    cause: error.cause ?? error,
    facts: { ...error.facts, path: toPathText(path) },
  });
}
