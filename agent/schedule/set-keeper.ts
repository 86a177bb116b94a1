/**
 * Keeps one set going over what its runner cannot go on from: a state whose database contradicts
 * itself, as after a disk lost what it was to flush. It is set aside, and the set opened anew takes
 * the replica's state and compares everything (R13).
 */
import { AfterimageError, asAfterimageError, isBrokenDatabase } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { StatusSet } from './status-file.js';

const LOOK_EVERY_MS = 1_000;

/**
 * Opens the set's parts, with its state as it is, or with an empty one in place of it. `asked` are
 * requests for a sync that the set opened before has not answered.
 */
export type OpenParts = (state: 'kept' | 'set-aside', asked: readonly string[]) => StatusSet;

export class SetKeeper {
  readonly #open: OpenParts;
  readonly #log: Log;
  #set: StatusSet;
  #timer: NodeJS.Timeout | undefined;
  #replacing: Promise<void> | undefined;

  /** Opens the set. @throws AfterimageError `storage-failed`, `database-version` */
  constructor(open: OpenParts, log: Log) {
    this.#open = open;
    this.#log = log;
    this.#set = this.#openWhole();
  }

  get set(): StatusSet {
    return this.#set;
  }

  start(): void {
    this.#set.runner.start();
    this.#timer = setInterval(() => {
      this.#look();
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#replacing;
    await this.#stopSet();
  }

  /** What the runner does not own ends with it. */
  async #stopSet(): Promise<void> {
    const { runner, parts, restores } = this.#set;
    await restores?.stop();
    await runner.stop();
    parts.ranges?.close();
  }

  #openWhole(): StatusSet {
    try {
      return this.#open('kept', []);
    } catch (error) {
      if (!isBroken(error)) throw error;
      this.#log.error(
        'the state of the set is broken; the replica has it',
        asAfterimageError(error),
      );
      return this.#open('set-aside', []);
    }
  }

  #look(): void {
    const { lastError } = this.#set.runner.status;
    if (this.#replacing !== undefined || lastError === undefined || !isBroken(lastError)) return;
    this.#log.error('the state of the set is broken; the replica has it', lastError);
    this.#replacing = this.#replace().finally(() => {
      this.#replacing = undefined;
    });
  }

  /** A set that cannot be opened yet keeps its error, and is looked at again. */
  async #replace(): Promise<void> {
    await this.#stopSet();
    try {
      this.#set = this.#open('set-aside', this.#set.runner.asked);
      this.#set.runner.start();
    } catch (error) {
      this.#log.error('the set cannot be opened; it is tried again', asAfterimageError(error));
    }
  }
}

/** Of our own database: what the replica says of its data has no such cause. */
function isBroken(error: unknown): boolean {
  return isBrokenDatabase(error instanceof AfterimageError ? error.cause : error);
}
