/** Builds the small C programs of the fault campaigns where they stand, when there is a compiler. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const WARNINGS = ['-std=c17', '-O2', '-Wall', '-Wextra', '-Wpedantic', '-Werror'];

/** Sources lie beside the tests, also when these run from dist/. */
const sourceFolder = fileURLToPath(new URL('./', import.meta.url)).replace(
  `${path.sep}dist${path.sep}test${path.sep}`,
  `${path.sep}test${path.sep}`,
);

/** Why nothing can be built here; undefined when it can. */
export function compilerMissing(): string | undefined {
  if (process.platform !== 'linux') return 'the platform is not Linux';
  return spawnSync('cc', ['--version']).status === 0
    ? undefined
    : 'no C compiler (cc) is installed';
}

/** Compiles `sources`, named from test/fault, into `output`. Warnings are errors. */
export function compile(
  sources: readonly string[],
  { output, flags = [] }: { readonly output: string; readonly flags?: readonly string[] },
): void {
  const files = sources.map((source) => path.join(sourceFolder, source));
  const { status, stderr } = spawnSync('cc', [...WARNINGS, ...flags, '-o', output, ...files], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`cc ${sources.join(' ')}: ${stderr}`);
  fs.chmodSync(output, 0o755);
}
