/** File systems that clone, on loop devices, and sets on them whose hold the test decides. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { Posix } from '../../../shared/posix/posix.js';
import { createCloneEngine } from '../../../agent/image/clone-engine.js';
import type { ImageEngine } from '../../../agent/image/image-engine.js';
import type { QuiesceRecipe } from '../../../agent/quiesce/recipe.js';
import {
  BlockDevices,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
} from '../../fault/power/block-devices.js';
import { type AgentBench, openBench } from './agent-bench.js';

/** How the image of a root is taken there. */
export type CloningPlace = 'xfs' | 'btrfs' | 'btrfs subvolume';

const MIB = 1024 * 1024;

/** Why there are none here; undefined when there are. */
export function cloningMissing(): string | undefined {
  if (!loadPosix().native) return 'the native part is not built';
  return mountsMissing(['xfs', 'btrfs']);
}

export class CloningMounts {
  readonly #home = homeOfDevices(tmpdir());
  readonly #devices = new BlockDevices();
  readonly #mounted = new Map<string, string>();
  #roots = 0;

  /** A new empty folder, or subvolume, to be a root. */
  newRoot(place: CloningPlace): string {
    const root = join(this.#mount(place === 'xfs' ? 'xfs' : 'btrfs'), `root-${this.#roots++}`);
    if (place === 'btrfs subvolume') execFileSync('btrfs', ['-q', 'subvolume', 'create', root]);
    else mkdirSync(root);
    return root;
  }

  /** A new folder beside the roots. */
  newFolder(place: CloningPlace): string {
    return mkdtempSync(join(this.#mount(place === 'xfs' ? 'xfs' : 'btrfs'), 'beside-'));
  }

  close(): void {
    this.#devices.close();
    rmSync(this.#home, { recursive: true, force: true });
  }

  #mount(type: 'xfs' | 'btrfs'): string {
    const known = this.#mounted.get(type);
    if (known !== undefined) return known;
    const image = join(this.#home, `${type}.img`);
    makeFileSystem(type, image, { bytes: 2048 * MIB });
    const folder = join(this.#home, type);
    mkdirSync(folder);
    this.#devices.mount(this.#devices.loop(image), folder);
    this.#mounted.set(type, folder);
    return folder;
  }
}

/** A hold in which `held` happens, and after whose release `released` happens at once. */
export function recipeOf(happens: {
  readonly held?: () => void;
  readonly released?: () => void;
}): QuiesceRecipe {
  return {
    name: 'hooks',
    consistency: 'application',
    hold: () => {
      const startMs = performance.now();
      happens.held?.();
      return Promise.resolve({
        heldSinceMs: Date.now(),
        facts: {},
        broken: new AbortController().signal,
        release: () => {
          const heldMs = performance.now() - startMs;
          happens.released?.();
          return Promise.resolve({ heldMs, intact: true, releasedBy: 'agent', problems: [] });
        },
      });
    },
  };
}

export interface CloningBench extends AgentBench {
  readonly engine: ImageEngine;
}

/** A set of one root, `root`, whose recipe is asked for at every sync. */
export function openCloningBench(set: {
  readonly root: string;
  readonly recipe: () => QuiesceRecipe;
  readonly engine?: ImageEngine;
  readonly posix?: Posix;
  readonly descriptorsMax?: number;
  /** The set's folder of the agent's data; elsewhere than the root when left out. */
  readonly setFolder?: string;
}): CloningBench {
  const roots = [{ name: 'root', path: set.root }];
  const { posix = loadPosix(), recipe, descriptorsMax } = set;
  const setFolder = set.setFolder ?? mkdtempSync(join(tmpdir(), 'afterimage-set-'));
  const limit = descriptorsMax === undefined ? {} : { descriptorsMax };
  const engine =
    set.engine ?? createCloneEngine({ roots, setFolder, posix, log: silentLog, ...limit });
  const bench = openBench({ set: { roots, engine, recipe, posix } });
  const closeBench = bench.close.bind(bench);
  const close = (): void => {
    closeBench();
    rmSync(setFolder, { recursive: true, force: true });
  };
  return Object.assign(bench, { engine, close });
}

/** Open files of this process below `folder` that have no name, or one of the agent's own. */
export function clonesOpen(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      const own = path.endsWith(' (deleted)') || /\/(?:clone|snapshot)-\d+$/.test(path);
      return path.startsWith(folder) && own ? [path] : [];
    } catch {
      return []; // closed since it was listed
    }
  });
}

/** A copy of a tree as it is now, without what is the agent's, to be compared with. */
export function copyTree(from: string, to: string): string {
  execFileSync('cp', ['-a', '--reflink=auto', from, to]);
  const posix = loadPosix();
  const folder = Buffer.from(to);
  const { mtimeNs } = posix.lstat(folder);
  rmSync(join(to, '.afterimage'), { recursive: true, force: true });
  posix.setMtime(folder, mtimeNs);
  return to;
}
