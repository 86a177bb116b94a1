/**
 * Builds ranges.bpf.o, which is committed: it runs on any kernel with type information, so that only
 * who changes the programs needs clang (14 or newer) and libbpf's headers.
 *
 *   node native/tracker/build-object.js [file]
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** Runs a command in this folder, so that no path of the machine enters the object. */
function run(command, options) {
  const result = spawnSync(command, options, { cwd: here, encoding: 'utf8' });
  if (result.error !== undefined)
    throw new Error(`${command} did not start`, { cause: result.error });
  if (result.status !== 0) throw new Error(`${command} failed: ${result.stderr}`);
}

const output = process.argv[2] ?? join(here, 'ranges.bpf.o');
const target = ['-target', 'bpf', '-mcpu=v3'];
const noPaths = [`-ffile-prefix-map=${here}=.`, '-fdebug-compilation-dir=.'];
const strict = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter'];
// -g makes the type information that CO-RE needs; llvm-strip then drops the lines and paths
run('clang', ['-O2', '-g', ...target, ...noPaths, ...strict, '-c', 'ranges.bpf.c', '-o', output]);
run('llvm-strip', ['-g', output]);
