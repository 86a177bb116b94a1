/**
 * Builds dist/assembly/*.wasm from this folder with asc: two builds of the core, the dedup table
 * and the lanes of set hashes.
 *
 * Does nothing when every output is newer than every source. Outputs appear by rename, so a process
 * that starts during a build reads a whole file, old or new.
 */
import { mkdir, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expandSource } from './unroll/expand4.js';
import { compressSource } from './unroll/source.js';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const outputs = join(root, 'dist', 'assembly');
const builds = [
  { target: 'simd', entry: 'core-simd.ts' },
  { target: 'relaxed', entry: 'core-relaxed.ts' },
  { target: 'table', entry: 'table.ts' },
  { target: 'lattice', entry: 'lattice.ts' },
];
const wasmOf = ({ entry }) => join(outputs, entry.replace('.ts', '.wasm'));

/** Milliseconds of a file's last change; 0 when it is not there. */
async function changedMs(path) {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (error.code === 'ENOENT') return 0;
    throw error;
  }
}

async function isCurrent() {
  const names = (await readdir(here, { recursive: true })).filter(
    (name) => /\.(ts|js)$/.test(name) && !name.startsWith('out'),
  );
  const sources = [...names.map((name) => join(here, name)), join(root, 'asconfig.json')];
  const newest = Math.max(...(await Promise.all(sources.map(changedMs))));
  const oldest = Math.min(...(await Promise.all(builds.map((build) => changedMs(wasmOf(build))))));
  return oldest > newest;
}

async function place(path, content) {
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, content);
  await rename(partial, path);
}

/** One run of the compiler; its file is handed over instead of being written. */
async function compile(asc, build) {
  let wasm;
  const argv = [
    join('assembly', build.entry),
    '--config',
    'asconfig.json',
    '--target',
    build.target,
  ];
  const { error, stderr } = await asc.main(argv, {
    readFile: (name, base) => readFile(join(base, name), 'utf8').catch(() => null),
    writeFile: (name, content) => {
      if (name.endsWith('.wasm')) wasm = content;
    },
  });
  if (error || wasm === undefined) {
    process.stderr.write(stderr.toString());
    throw new Error(`asc failed for ${build.entry}`, { cause: error });
  }
  await place(wasmOf(build), wasm);
}

if (!(await isCurrent())) {
  process.chdir(root);
  await place(join(here, 'out', 'compress.ts'), compressSource());
  await place(join(here, 'out', 'expand.ts'), expandSource());
  const { default: asc } = await import('assemblyscript/asc');
  for (const build of builds) await compile(asc, build);
}
