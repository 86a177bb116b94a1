/** One thing that a copier is asked to do in a measurement, and how to tell that it is right. */
import { appendFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Copier } from '../copier.js';
import { changeOnePercent } from '../trees/mutations.js';
import { Random, seedOf } from '../trees/random.js';
import { digestTree } from '../trees/tree-digest.js';
import { oneFileOf, type Subject, type Work } from './stories.js';

export interface OldPage {
  /** Below the root. */
  readonly path: string;
  readonly offset: number;
  readonly content: Buffer;
}

/** What the works of a round have in common. */
export interface Stage {
  readonly subject: Subject;
  readonly seed: number;
  /** For what is restored. */
  readonly folder: string;
  /** Of the first state. */
  readonly old: readonly OldPage[];
  /** Where each copier's restored tree is: what it was restored to, and the tree in it. */
  readonly restored: Map<string, { readonly target: string; readonly tree: string }>;
}

export interface Doing {
  /** Not measured. */
  readonly prepare?: () => void;
  readonly run: () => Promise<void>;
  readonly isRight: () => boolean | Promise<boolean>;
}

interface Asked {
  readonly copier: Copier;
  readonly stage: Stage;
  /** Of several times in a round. */
  readonly time: number;
  /** Digest of the tree. */
  readonly wanted: string;
}

/** Undefined when the copier cannot do it. */
export function doWork(work: Work, asked: Asked): Doing | undefined {
  return works[work](asked);
}

const works: Readonly<Record<Work, (asked: Asked) => Doing | undefined>> = {
  copy: ({ copier, wanted }) => ({
    run: () => copier.copy(),
    isRight: async () => (await copier.digest()) === wanted,
  }),
  restore_all: restoreAll,
  restore_in_place: restoreInPlace,
  one_file: ({ copier, stage }) => {
    const { readFile } = copier;
    if (readFile === undefined) return undefined;
    const path = oneFileOf(stage.subject);
    let content = Buffer.alloc(0);
    return {
      run: async () => {
        content = Buffer.from(await readFile(path));
      },
      isRight: () => content.equals(readFileSync(join(stage.subject.folder, path))),
    };
  },
  range_4kib: ({ copier, stage, time }) => {
    const { readOldRange } = copier;
    const page = stage.old[time % Math.max(1, stage.old.length)];
    if (readOldRange === undefined || page === undefined) return undefined;
    let content = Buffer.alloc(0);
    return {
      run: async () => {
        content = Buffer.from(await readOldRange({ ...page, bytes: page.content.length }));
      },
      isRight: () => content.equals(page.content),
    };
  },
  fill: ({ copier, stage, time }) => {
    if (copier.find === undefined) return undefined;
    return {
      prepare: () => {
        touchOne(stage.subject, seedOf(stage.seed, 'fill', time));
      },
      run: () => copier.copy(),
      isRight: () => true,
    };
  },
  find: ({ copier, stage, time }) => {
    const { find } = copier;
    if (find === undefined) return undefined;
    const name = someName(stage.subject, seedOf(stage.seed, 'find', time));
    let found = 0;
    return {
      run: async () => {
        found = await find(name);
      },
      isRight: () => found > 0,
    };
  },
};

function restoreAll({ copier, stage }: Asked): Doing | undefined {
  const { restoreAll: restore } = copier;
  if (restore === undefined) return undefined;
  const target = join(stage.folder, `restored-${copier.name}`);
  return {
    run: async () => {
      stage.restored.set(copier.name, { target, tree: await restore(target) });
    },
    isRight: () => isRestored(copier, stage),
  };
}

/** First the restored tree goes its own way, as far as a day takes it. */
function restoreInPlace({ copier, stage }: Asked): Doing | undefined {
  const { restoreInPlace: restore } = copier;
  const { small, folder, contentOf } = stage.subject;
  const restored = stage.restored.get(copier.name);
  if (restore === undefined || restored === undefined || small === undefined) return undefined;
  return {
    prepare: () => {
      const own = join(restored.tree, relative(folder, small));
      const tree = contentOf === undefined ? { small: own } : { small: own, contentOf };
      changeOnePercent(tree, seedOf(stage.seed, 'in place'));
    },
    run: () => restore(restored.target),
    isRight: () => {
      const right = isRestored(copier, stage);
      rmSync(restored.target, { recursive: true });
      return right;
    },
  };
}

function isRestored({ name }: Copier, { restored, subject }: Stage): boolean {
  const place = restored.get(name);
  if (place === undefined) return false;
  // Times and modes are the product's promise; of the others only what they are compared in.
  const metadata = name.startsWith('afterimage') ? 'with' : 'without';
  return digestTree(place.tree, { metadata }) === digestTree(subject.folder, { metadata });
}

function touchOne(subject: Subject, seed: number): void {
  appendFileSync(join(subject.folder, someName(subject, seed, 'path')), 'one more line\n');
}

function someName(subject: Subject, seed: number, form: 'name' | 'path' = 'name'): string {
  const files = readdirSync(subject.folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .sort((a, b) => (join(a.parentPath, a.name) < join(b.parentPath, b.name) ? -1 : 1));
  const file = files[new Random(seed).below(files.length)];
  if (file === undefined) throw new Error(`${subject.folder} has no file`);
  return form === 'name' ? file.name : relative(subject.folder, join(file.parentPath, file.name));
}
