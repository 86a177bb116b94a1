/** An ext4 or XFS of its own with one file that the tracker follows and a program changes. */
import fs from 'node:fs';
import path from 'node:path';
import { BpfSource } from '../../../agent/ranges/bpf-source.js';
import { BpfTracker } from '../../../agent/ranges/bpf-tracker.js';
import type { TrackerLimits } from '../../../agent/ranges/bpf-tracker.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { Seeded } from '../../support/seeded.js';
import { FollowedCopy } from './followed-copy.js';
import { WriterOfKinds } from './writer-of-kinds.js';
import type { Change } from './writer-of-kinds.js';

export const MIB = 1024 * 1024;
export const smallLimits: TrackerLimits = {
  fileBytesMin: 0,
  filesMax: 16,
  followedBytesMax: 1024 * MIB,
};

/** Why the tracker does not work here; undefined when it does. */
export function trackerMissing(): string | undefined {
  let said = 'unknown';
  const log = { ...silentLog, info: (message: string) => void (said = message) };
  const tracker = BpfTracker.open({ posix: loadPosix(), log, limits: smallLimits });
  tracker?.close();
  return tracker === undefined ? said : undefined;
}

export interface RigOptions {
  readonly folder: string;
  readonly program: string;
  readonly bytes?: number;
  /** Mapped by the writer for as long as it runs, so that it can store. */
  readonly mapped?: 'mapped' | 'not mapped';
  readonly limits?: TrackerLimits;
}

export class BpfRig {
  readonly said: string[] = [];
  readonly file: string;
  readonly tracker: BpfTracker;
  readonly source: BpfSource;
  readonly copy: FollowedCopy;
  readonly writer: WriterOfKinds;

  constructor({
    folder,
    program,
    bytes = 8 * MIB,
    mapped = 'mapped',
    limits = smallLimits,
  }: RigOptions) {
    this.file = path.join(folder, `followed-${process.hrtime.bigint()}`);
    fs.writeFileSync(this.file, Buffer.alloc(bytes, 1));
    const posix = loadPosix();
    const log = { ...silentLog, info: (message: string) => void this.said.push(message) };
    const tracker = BpfTracker.open({ posix, log, limits });
    if (tracker === undefined) throw new Error(this.said.join());
    this.tracker = tracker;
    this.source = new BpfSource(tracker, posix);
    this.copy = new FollowedCopy(this.source, this.file);
    this.writer = new WriterOfKinds(program, this.file, mapped === 'mapped' ? bytes : 0);
  }

  /** The place of a program in the kernel's list. */
  programOf(name: string): number {
    return this.tracker.kernel.programs().findIndex((program) => program.name === name);
  }

  async close(): Promise<void> {
    await this.writer.close();
    this.source.close();
    this.tracker.close();
    fs.rmSync(this.file, { force: true });
    fs.rmSync(`${this.file}.other`, { force: true });
  }
}

/** Kinds of any length and place, of whole pages, and of whole file system blocks. */
const anywhere = [
  'write',
  'append',
  'store',
  'store',
  'store',
  'copy',
  'sendfile',
  'splice',
  'zero',
  'punch',
];
// Not `give`: ext4 leaves pages of the file that gives its blocks as they were, until they are dropped.
const wholePages = ['direct', 'libaio', 'uring', 'clone', 'unshare', 'take', 'allocate'];
const moving = ['collapse', 'insert', 'truncate'];

export function randomChange(random: Seeded, size: number): Change {
  const draw = random.below(100);
  const fill = random.below(256);
  if (draw < 4) {
    const blocks = 4096 * (1 + random.below(16));
    const offset = 4096 * random.below(Math.max(1, size / 4096 - 64));
    const kind = random.pick(moving);
    // a file that only shrinks or only grows would end the mix
    const end = Math.max(MIB, Math.min(12 * MIB, size + 8192 * (random.below(200) - 100) + 13));
    return { kind, offset: kind === 'truncate' ? end : offset, length: blocks, fill };
  }
  if (draw < 8) return { kind: 'sync', offset: 0, length: 0, fill };
  if (draw < 60) {
    const length = 1 + random.below(random.chance(0.1) ? 300_000 : 9000);
    return {
      kind: random.pick(anywhere),
      offset: random.below(Math.max(1, size - length)),
      length,
      fill,
    };
  }
  const length = 4096 * (1 + random.below(random.chance(0.1) ? 64 : 4));
  const offset = 4096 * random.below(Math.max(1, Math.floor((size - length) / 4096)));
  return { kind: random.pick(wholePages), offset, length, fill };
}
