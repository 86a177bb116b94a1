/**
 * Which restore this agent carries out, and what became of those before: it survives the process, so
 * that one that was cut off goes on, and none is carried out twice.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { restoreReportSchema } from '../../shared/protocol/restore-question.js';

const FILE = 'restores.json';
/** Ended ones that are remembered. */
const ENDED_MAX = 16;

const orderId = z.string().max(80);
const fileSchema = z.object({
  active: orderId.nullable(),
  ended: z.array(z.object({ order: orderId, report: restoreReportSchema })),
  /** The last one that wrote in place, until a point says so; `endedMs` is null before its end. */
  wrote: z
    .object({ point: z.number().int().positive(), order: orderId, endedMs: z.number().nullable() })
    .nullable(),
});
type RestoreFile = z.infer<typeof fileSchema>;
export type EndedRestore = RestoreFile['ended'][number];
export type WrittenRestore = NonNullable<RestoreFile['wrote']>;

export class RestoreLog {
  readonly #folder: string;
  #file: RestoreFile;

  /** @param folder the set's own, in the agent's data folder */
  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#file = readFile(join(folder, FILE), log);
  }

  get active(): string | null {
    return this.#file.active;
  }
  get wrote(): WrittenRestore | null {
    return this.#file.wrote;
  }

  ended(order: string): EndedRestore | undefined {
    return this.#file.ended.find((each) => each.order === order);
  }

  begin(order: string): void {
    this.#write({ ...this.#file, active: order });
  }

  end(ended: EndedRestore): void {
    const others = this.#file.ended.filter(({ order }) => order !== ended.order);
    this.#write({ ...this.#file, active: null, ended: [...others, ended].slice(-ENDED_MAX) });
  }

  noteWritten(wrote: WrittenRestore | null): void {
    this.#write({ ...this.#file, wrote });
  }

  #write(file: RestoreFile): void {
    this.#file = file;
    const path = join(this.#folder, FILE);
    const fd = openSync(`${path}.new`, 'w', 0o600);
    try {
      writeSync(fd, JSON.stringify(file));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${path}.new`, path);
  }
}

function readFile(path: string, log: Log): RestoreFile {
  const nothing = { active: null, ended: [], wrote: null };
  if (!existsSync(path)) return nothing;
  try {
    return fileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const error = new AfterimageError('storage-failed', `${path} does not read`, { cause });
    log.error('what is known of restores to this host is lost', error);
    return nothing;
  }
}
