/** Drives write-kinds.c, which is compiled for the tests that use it. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('write-kinds.c', import.meta.url));

/** The compiled program in `folder`; undefined where there is no compiler. */
export function compileWriter(folder: string): string | undefined {
  const program = path.join(folder, 'write-kinds');
  const { error, status, stderr } = spawnSync('cc', ['-O1', '-pthread', '-o', program, source], {
    encoding: 'utf8',
  });
  if (error !== undefined) return undefined;
  if (status !== 0) throw new Error(stderr);
  return program;
}

export interface Change {
  readonly kind: string;
  readonly offset: number;
  readonly length: number;
  readonly fill: number;
}

export class WriterOfKinds {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;

  constructor(program: string, file: string, mappedBytes: number) {
    this.#child = spawn(program, [file, `${file}.other`, `${mappedBytes}`]);
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The errno of the change, 0 when it was done. */
  async make({ kind, offset, length, fill }: Change): Promise<number> {
    this.#child.stdin.write(`${kind} ${offset} ${length} ${fill}\n`);
    const answer = await this.#answers.next();
    if (answer.done === true) throw new Error(`the writer ended at ${kind} ${offset} ${length}`);
    return Number(answer.value);
  }

  async storm(seed: number): Promise<void> {
    await this.make({ kind: 'storm', offset: seed, length: 0, fill: 0 });
  }

  async calm(): Promise<void> {
    await this.make({ kind: 'calm', offset: 0, length: 0, fill: 0 });
  }

  /** Nanoseconds a buffered write of 4 KiB. */
  timed(writes: number): Promise<number> {
    return this.make({ kind: 'timed', offset: writes, length: 0, fill: 0 });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}
