/** What a workshop and its workers say to each other. */
import type { Job, JobResult } from './job.js';

/** To a worker. Slots are told once, by number. */
export type Order =
  | { readonly type: 'slot'; readonly slot: number; readonly memory: SharedArrayBuffer }
  | { readonly type: 'job'; readonly id: number; readonly slot: number; readonly job: Job };

/** From a worker. */
export type Report =
  | { readonly id: number; readonly result: JobResult }
  | { readonly id: number; readonly failure: JobFailure };

/** An error, as far as it survives a message. */
export interface JobFailure {
  readonly message: string;
  readonly code?: string | undefined;
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
}

export function toFailure(error: unknown): JobFailure {
  const known: NodeJS.ErrnoException = error instanceof Error ? error : new Error(String(error));
  const { message, code, errno, syscall } = known;
  return { message, code, errno, syscall };
}

/** A system error again, where it was one. */
export function toError({ message, ...facts }: JobFailure): Error {
  return facts.errno === undefined ? new Error(message) : Object.assign(new Error(message), facts);
}
