/** What a dry run tells one by one: the first actions of each kind, as many as one message takes. */
import { toPathText } from '../path-text.js';
import { PLANNED_MAX, type PlannedLine } from '../protocol/restore-question.js';
import {
  type ActionWord,
  actionWords,
  type RestoreAction,
  type RestoreRequest,
} from './request.js';

/** Told one by one of each kind of action; the counts tell all. */
const PLANNED_EACH = Math.floor(PLANNED_MAX / (actionWords.length - 1));
const PLANNED_BYTES_MAX = 192 * 1024;

export class PlannedActions {
  readonly lines: PlannedLine[] = [];
  readonly #effect: RestoreRequest['effect'];
  readonly #counts = new Map<ActionWord, number>();
  #bytes = 0;

  constructor(effect: RestoreRequest['effect']) {
    this.#effect = effect;
  }

  add({ action, path, kind, bytes }: RestoreAction): void {
    if (this.#effect === 'write' || action === 'keep') return;
    const count = (this.#counts.get(action) ?? 0) + 1;
    this.#counts.set(action, count);
    if (count > PLANNED_EACH) return;
    const text = toPathText(path);
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes > PLANNED_BYTES_MAX) return;
    this.lines.push({ action, path: text, bytes, ...(kind === undefined ? {} : { kind }) });
  }
}
