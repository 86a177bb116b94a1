/** `npm run -s bench`: see docs/guide/benchmarks.md. */
import { catalogue } from './catalogue.js';
import { rerunOnOwnNetwork } from './peers/network.js';
import { runBenches } from './runner.js';

const args = process.argv.slice(2);

async function run(): Promise<number> {
  const isolated = args.some((word) => catalogue[word]?.network === 'own');
  const code = isolated ? await rerunOnOwnNetwork() : undefined;
  if (code !== undefined) return code;
  // An end by signal runs what `process.on('exit')` holds: processes stopped, folders removed.
  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => process.exit(exitCode));
  }
  return await runBenches(args, catalogue, {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  });
}

process.exitCode = await run();
