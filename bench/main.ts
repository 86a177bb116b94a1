/** `npm run -s bench`: see docs/guide/benchmarks.md. */
import { catalogue } from './catalogue.js';
import { runBenches } from './runner.js';

process.exitCode = await runBenches(process.argv.slice(2), catalogue, {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
