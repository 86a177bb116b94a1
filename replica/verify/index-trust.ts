/**
 * Whether files may be removed because the index does not name them (R4): one that rotted names less
 * than it should, and a body that is removed on its word is gone. Asked only when something is to go.
 */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { IndexTwin, TWIN_FILE } from './index-twin.js';
import { SCRUB_FILE, ScrubDb } from './scrub-db.js';

export class IndexTrust {
  readonly #folder: string;
  readonly #core: HashCore;
  /** Kept open: closing its descriptor of the index would drop SQLite's locks on it. */
  #twin: IndexTwin | undefined;
  #known: { readonly doubt: string | undefined } | undefined;

  /** For the index in `setFolder`, which is open. */
  constructor(setFolder: string, core: HashCore) {
    this.#folder = setFolder;
    this.#core = core;
  }

  /** Why the index is not to be believed; undefined when nothing speaks against it. Never throws. */
  get doubt(): string | undefined {
    this.#known ??= { doubt: this.#find() };
    return this.#known.doubt;
  }

  /** After the connections to the index are closed. */
  close(): void {
    this.#twin?.close();
    this.#twin = undefined;
  }

  #find(): string | undefined {
    try {
      return this.#foundBefore() ?? this.#unlikeTwin();
    } catch (error) {
      return `it could not be looked at: ${messageOf(error)}`;
    }
  }

  /** What the last round of scrubbing said, which outlives the process. */
  #foundBefore(): string | undefined {
    if (!fs.existsSync(path.join(this.#folder, SCRUB_FILE))) return undefined;
    const db = new ScrubDb(this.#folder);
    try {
      return db.findings().find(({ kind }) => kind !== 'tree')?.message;
    } finally {
      db.close();
    }
  }

  #unlikeTwin(): string | undefined {
    if (!fs.existsSync(path.join(this.#folder, TWIN_FILE))) return undefined;
    this.#twin = new IndexTwin(this.#folder, this.#core);
    for (const { pages } of this.#twin.suspects()) {
      if (pages.length > 0) return `page ${String(pages[0])} is not as it was written`;
    }
    return undefined;
  }
}
