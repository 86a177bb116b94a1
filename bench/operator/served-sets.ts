/** The process that serves made sets. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ServeTask } from './serve-end.js';

const endFile = fileURLToPath(new URL('./serve-end.js', import.meta.url));

export class ServedSets {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** Resolves once it listens. */
  static async start(task: ServeTask & { readonly folder: string }): Promise<ServedSets> {
    const { token, sets } = task;
    const child = spawn(process.execPath, [endFile, JSON.stringify({ token, sets })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const [url] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => {
        throw new Error('the server of made sets ended by itself');
      }),
    ])) as [string];
    return new ServedSets(url, child);
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}
