/** Runs the C program that writes in every way there is, step by step (see writer.c). */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compile } from '../../fault/native-program.js';

const folder = '../support/writer';
const sources = ['writer', 'data-ways', 'async-ways', 'name-ways', 'mapping-ways'].map(
  (name) => `${folder}/${name}.c`,
);

export interface Step {
  /** A name of one of the lists in the C sources. */
  readonly way: string;
  readonly path: string;
  /** For ways that take two files. */
  readonly other?: string;
  readonly offset?: number;
  readonly length?: number;
  readonly seed?: number;
}

/** Throws what the compiler said. */
export function compileWriter(output: string): void {
  compile(sources, { output });
}

export class Writer {
  readonly #child: ChildProcess;
  readonly #waiting: {
    readonly resolve: (line: string) => void;
    readonly reject: (error: Error) => void;
  }[] = [];

  /** `program`: what `compileWriter` made. */
  constructor(program: string) {
    const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#waiting.shift()?.resolve(line);
    });
    child.on('close', (code, signal) => {
      const error = new Error(`the writer ended with ${code ?? signal ?? 'nothing'}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  /** `ok`, or the name of the system's error. Rejects when the program ended. */
  step({ way, path, other = '-', offset = 0, length = 0, seed = 0 }: Step): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin?.write(`${way} ${offset} ${length} ${seed} ${path} ${other}\n`);
    });
  }

  /** Resolves when the program is gone, and with it all its mappings. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin?.end();
    await gone;
  }
}
