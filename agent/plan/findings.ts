/** What a sync's walks found, for the point's outcome and for the agent's next steps. */
import { toPathText } from '../../shared/path-text.js';
import type { Look, Target } from '../journal/target.js';

const NAMES_MAX = 1_000;
const AGAIN_MAX = 10_000;

export class Findings {
  /** Nodes made, changed or gone. */
  nodesChanged = 0;
  bytesRead = 0;
  /** Something must be looked at again soon: it moved under our eyes or is too young to tell. */
  unsettled = 0;
  /** Newest ctime of what was found changed, ns since the epoch. */
  newestChangeNs = 0n;
  #again: Map<string, Target> | undefined = new Map();
  readonly #unreadable = new Set<string>();
  readonly #moved = new Set<string>();

  /** A node that is said anew, with its ctime. */
  changed(ctimeNs: bigint): void {
    this.nodesChanged += 1;
    if (ctimeNs > this.newestChangeNs) this.newestChangeNs = ctimeNs;
  }

  /** What is at this path is not settled: it may have changed without a trace, or was gone under way. */
  lookAgain(path: Buffer, look: Look = 'entry'): void {
    const key = path.toString('latin1');
    if (look !== 'entry' || this.#again?.has(key) !== true) this.#again?.set(key, { path, look });
    if ((this.#again?.size ?? 0) > AGAIN_MAX) this.#again = undefined;
  }

  /** What to look at again; undefined when it is too much to be named. */
  get again(): readonly Target[] | undefined {
    return this.#again === undefined ? undefined : [...this.#again.values()];
  }

  /** A file that may not be read; the point keeps its previous state or lacks it. */
  unreadable(path: Buffer): void {
    if (this.#unreadable.size < NAMES_MAX) this.#unreadable.add(toPathText(path));
  }

  /** A file that changed although the application was held. */
  moved(path: Buffer): void {
    if (this.#moved.size < NAMES_MAX) this.#moved.add(toPathText(path));
  }

  get unreadablePaths(): string[] {
    return [...this.#unreadable];
  }

  get movedPaths(): string[] {
    return [...this.#moved];
  }
}
