/** Starts the process behind a mount and waits until the mount stands. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { fromProblem, problemSchema } from '../../shared/api/problem.js';
import { AfterimageError } from '../../shared/errors.js';
import { type MountRecord, mountRecordSchema } from './mount-records.js';
import type { MountOrder } from './run-mount.js';

const answerSchema = z.union([
  z.object({ mounted: mountRecordSchema }),
  z.object({ problem: problemSchema }),
]);

/** Beside this file when it runs compiled; in dist/ when the sources themselves run, under tests. */
function entryFile(): string {
  const folder = import.meta.url.endsWith('.js') ? './' : '../../dist/cli/mount/';
  return fileURLToPath(new URL(`${folder}mount-main.js`, import.meta.url));
}

/** The process goes on when this one ends. Throws what it failed with. */
export async function startMount(order: MountOrder): Promise<MountRecord> {
  const child = spawn(process.execPath, [entryFile()], {
    detached: true,
    cwd: '/',
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify(order));
  const gone = new Promise<never>((_, reject) => {
    child.once('error', (cause) => {
      reject(new AfterimageError('mount-unavailable', 'no process could be started', { cause }));
    });
    child.once('close', () => {
      reject(new AfterimageError('internal', 'the process behind the mount ended at once'));
    });
  });
  const said = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).once('line', resolve);
  });
  const answer = answerSchema.parse(JSON.parse(await Promise.race([said, gone])));
  if ('problem' in answer) throw fromProblem(answer.problem);
  gone.catch(() => undefined);
  child.stdout.destroy();
  child.unref();
  return answer.mounted;
}
