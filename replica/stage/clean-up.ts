/** Takes away what a sync had in its folders once it is a point; when that fails, it is done again. */
import { emptyFolders } from '../set-folders.js';
import type { IntentFolders } from './intent-db.js';
import type { Leftovers } from './leftovers.js';

export class CleanUp {
  readonly #folders: IntentFolders;
  readonly #leftovers: Leftovers;
  #due = false;

  constructor(folders: IntentFolders, leftovers: Leftovers) {
    this.#folders = folders;
    this.#leftovers = leftovers;
  }

  /** Throws storage errors; it is then due. */
  async run(): Promise<void> {
    this.#due = true;
    await emptyFolders(this.#folders.intent, this.#folders.new, this.#folders.park);
    await this.#leftovers.clear();
    this.#due = false;
  }

  /** Does it if it is due. */
  async again(): Promise<void> {
    if (this.#due) await this.run();
  }
}
