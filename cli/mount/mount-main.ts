/**
 * The process behind a mount. Reads its order from standard input, says on standard output when the
 * mount stands or why it does not, and then serves until it is unmounted. Its log is a file.
 */
import fs from 'node:fs';
import { text } from 'node:stream/consumers';
import { toProblem } from '../../shared/api/problem.js';
import { createLog } from '../../shared/log.js';
import { mountOrderSchema, runMount } from './run-mount.js';

const order = mountOrderSchema.parse(JSON.parse(await text(process.stdin)));
let logFile: number | undefined;
const early: string[] = [];
const log = createLog({
  json: true,
  write: (line) => {
    if (logFile === undefined) early.push(line);
    else fs.writeSync(logFile, line);
  },
});

try {
  const mount = await runMount(order, log);
  logFile = fs.openSync(mount.record.log, 'a', 0o600);
  for (const line of early) fs.writeSync(logFile, line);
  // Whoever started it may be gone before it hears of it.
  process.stdout.on('error', () => undefined);
  process.stdout.write(`${JSON.stringify({ mounted: mount.record })}\n`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => void mount.stop());
  }
  await mount.ended;
  process.exit(0);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ problem: toProblem(error) })}\n`);
  process.exitCode = 1;
}
