/** `npm run -s bench`: see docs/guide/benchmarks.md. */
import { catalogue } from './catalogue.js';
import { runBenches } from './runner.js';

// An end by signal runs what `process.on('exit')` holds: processes stopped, folders removed.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code));
}

process.exitCode = await runBenches(process.argv.slice(2), catalogue, {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
