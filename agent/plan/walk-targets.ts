/**
 * The walk of a sync that knows what may have changed: goes down to each target and looks at every
 * folder on the way, since what happens to an entry moves its folder's times. Targets come in the
 * order of their bytes, so that what lies below one folder comes together and the way to it is gone
 * once.
 */
import type { Target } from '../journal/target.js';
import type { OpenFolder } from './open-folder.js';
import type { Pause } from './pause.js';

const SLASH = 0x2f;

/** A folder on the way to a target. */
interface Level {
  readonly name: Buffer;
  /** Undefined for what is not there or is no folder: nothing lies below it. */
  readonly folder: OpenFolder | undefined;
  /** All below it has been looked at. */
  deep: boolean;
}

/** What is found where a target is. */
export interface TargetFound {
  /** Its folder; undefined when it is none, or not there. */
  readonly folder: number | undefined;
  /** The folder has not been at this place before. */
  readonly arrived: boolean;
}

/** The looks that a walk is made of. */
export interface TargetLooks {
  /**
   * At a folder's own entry of this name, at nothing below it. `reported`: something happened to the
   * entry itself, which in memory need not show in its status.
   */
  lookAt(
    folder: OpenFolder,
    name: Buffer,
    why: { readonly reported: boolean },
  ): Promise<TargetFound>;
  /** At all entries of a folder, and at all that lies below those that have not been in it before. */
  lookInto(folder: OpenFolder): Promise<void>;
  /** At a folder with all that lies below it. */
  walkBelow(root: OpenFolder): Promise<void>;
}

export async function walkTargets(
  walk: TargetLooks,
  options: {
    readonly roots: readonly OpenFolder[];
    readonly targets: readonly Target[];
    readonly pause: Pause;
  },
): Promise<void> {
  const way = new Way(walk, options.roots);
  try {
    for (const target of options.targets) {
      await way.lookAt(target);
      const rest = options.pause.breathe();
      if (rest !== undefined) await rest;
    }
  } finally {
    way.close();
  }
}

class Way {
  readonly #walk: TargetLooks;
  readonly #roots: ReadonlyMap<string, OpenFolder>;
  /** From the root down to the last target. */
  readonly #levels: Level[] = [];

  constructor(walk: TargetLooks, roots: readonly OpenFolder[]) {
    this.#walk = walk;
    this.#roots = new Map(roots.map((root) => [root.name.toString('latin1'), root]));
  }

  async lookAt({ path, look }: Target): Promise<void> {
    const names = splitPath(path);
    this.#backTo(names);
    let level = this.#levels.at(-1);
    while (this.#levels.length < names.length) {
      if (level !== undefined && (level.folder === undefined || level.deep)) return;
      const name = names[this.#levels.length] ?? none;
      const reported = this.#levels.length === names.length - 1;
      level = await this.#enter(level?.folder, name, { reported });
      this.#levels.push(level);
    }
    if (level?.folder === undefined || level.deep) return;
    if (look === 'deep') {
      await this.#walk.walkBelow(level.folder);
      level.deep = true;
    } else if (look === 'listing') {
      await this.#walk.lookInto(level.folder);
    }
  }

  close(): void {
    for (const { folder } of this.#levels) folder?.close();
  }

  /** Leaves the folders that are not on the way. */
  #backTo(names: readonly Buffer[]): void {
    let shared = 0;
    while (shared < names.length && this.#levels[shared]?.name.equals(names[shared] ?? none)) {
      shared += 1;
    }
    for (const { folder } of this.#levels.splice(shared)) folder?.close();
  }

  async #enter(
    parent: OpenFolder | undefined,
    name: Buffer,
    why: { readonly reported: boolean },
  ): Promise<Level> {
    if (parent === undefined) {
      return { name, folder: this.#roots.get(name.toString('latin1')), deep: false };
    }
    const found = await this.#walk.lookAt(parent, name, why);
    if (found.folder === undefined) return { name, folder: undefined, deep: false };
    const folder = parent.folder(found.folder, name);
    if (found.arrived) await this.#walk.walkBelow(folder);
    return { name, folder, deep: found.arrived };
  }
}

const none = Buffer.alloc(0);

/** The names of `<root>/<path>`, the root's first. */
export function splitPath(path: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let from = 0; from <= path.length;) {
    const slash = path.indexOf(SLASH, from);
    const end = slash < 0 ? path.length : slash;
    names.push(path.subarray(from, end));
    from = end + 1;
  }
  return names;
}
