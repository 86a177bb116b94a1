/**
 * Which mounts there are: one file each, in a folder of the user who made them. A record outlives its
 * process when that is killed; whoever looks at the records next cleans up after it.
 */
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { errnoOf } from '../../shared/errors.js';

const scopeSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('point'), set: z.string(), point: z.number() }),
  z.object({ type: z.literal('set'), set: z.string() }),
  z.object({ type: z.literal('sets') }),
]);

export const mountRecordSchema = z.object({
  id: z.string(),
  folder: z.string(),
  scope: scopeSchema,
  url: z.string(),
  pid: z.number(),
  /** Of the process, as the kernel counts: tells it from a later one with its number. */
  pidStarted: z.string(),
  startedMs: z.number(),
  /** Where the point itself is mounted; `folder` is an overlay above it when it is another one. */
  pointFolder: z.string(),
  scratch: z.object({ folder: z.string(), stays: z.boolean(), isOwn: z.boolean() }).nullable(),
  /** The folder was made for the mount, and goes with it. */
  madeFolder: z.boolean(),
  log: z.string(),
});
export type MountRecord = z.infer<typeof mountRecordSchema>;

/** Kept below `/run` as root, else in the user's folder for such things. */
export function recordsFolder(env: Readonly<Record<string, string | undefined>>): string {
  const named = env['AFTERIMAGE_RUN'];
  if (named !== undefined && named !== '') return join(named, 'mounts');
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return '/run/afterimage/mounts';
  const own = env['XDG_RUNTIME_DIR'];
  if (own !== undefined && own !== '') return join(own, 'afterimage', 'mounts');
  return join(os.tmpdir(), `afterimage-${uid}`, 'mounts');
}

export class MountRecords {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Oldest first. What is no record is left alone and not listed. */
  list(): MountRecord[] {
    return this.#names()
      .flatMap((name) => this.#read(join(this.folder, name)) ?? [])
      .sort((a, b) => a.startedMs - b.startedMs);
  }

  logPath(id: string): string {
    return join(this.folder, `${id}.log`);
  }

  /** Makes the folder, for its owner alone. */
  prepare(): void {
    fs.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  write(record: MountRecord): void {
    const path = this.#path(record.id);
    fs.writeFileSync(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    fs.renameSync(`${path}.new`, path);
  }

  remove({ id }: MountRecord): void {
    fs.rmSync(this.#path(id), { force: true });
    fs.rmSync(this.logPath(id), { force: true });
  }

  #path(id: string): string {
    return join(this.folder, `${id}.json`);
  }

  #names(): string[] {
    try {
      return fs.readdirSync(this.folder).filter((name) => name.endsWith('.json'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  #read(path: string): MountRecord | undefined {
    try {
      return mountRecordSchema.safeParse(JSON.parse(fs.readFileSync(path, 'utf8'))).data;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
}

/** When the process started; undefined when there is none, or nothing of it but its number. */
export function processStart(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

export function isServed({ pid, pidStarted }: MountRecord): boolean {
  return processStart(pid) === pidStarted;
}
