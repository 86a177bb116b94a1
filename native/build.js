/**
 * Builds the optional native part with node-gyp; run by npm's install script. It never fails an
 * install: without a compiler it prints one line that says what is lost and exits 0.
 *
 *   node native/build.js            build when the sources changed since the last build
 *   node native/build.js --strict   show the compiler's output, and exit 1 when the build fails
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = dirname(fileURLToPath(import.meta.url));
const addon = join(native, 'build', 'Release', 'afterimage_native.node');
const stamp = join(native, 'build', 'Release', 'afterimage_native.stamp');
const lost =
  'extended attributes, ACLs, device nodes, sparse holes, file handles and times finer than a ' +
  'microsecond are not carried, and scans are slower';

/** Names the sources, the headers' version and the machine the build is for. */
function fingerprint() {
  const hash = createHash('sha256');
  hash.update(`${process.platform} ${process.arch}\n`);
  const headers = join(native, '..', 'node_modules', 'node-addon-api', 'package.json');
  const sources = readdirSync(join(native, 'src')).sort();
  const files = ['build.js', 'binding.gyp', ...sources.map((name) => join('src', name))];
  for (const file of [...files.map((name) => join(native, name)), headers]) {
    hash.update(existsSync(file) ? readFileSync(file) : '');
    hash.update('\n');
  }
  return hash.digest('hex');
}

/** node-gyp's script: what npm names, the one beside npm, the one beside node; else undefined. */
function findNodeGyp() {
  const beside = join('node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const prefix = dirname(dirname(process.execPath));
  const npm = process.env['npm_execpath'];
  const candidates = [
    process.env['npm_config_node_gyp'],
    npm === undefined ? undefined : resolve(dirname(npm), '..', beside),
    join(prefix, 'lib', 'node_modules', 'npm', beside),
    join(prefix, 'share', 'nodejs', 'node-gyp', 'bin', 'node-gyp.js'),
    join(native, '..', beside),
  ];
  return candidates.find((path) => path !== undefined && path !== '' && existsSync(path));
}

/** Headers installed with this very node make the build work without a download. */
function installedHeaders() {
  if (process.env['npm_config_nodedir'] !== undefined) return undefined;
  const prefix = dirname(dirname(process.execPath));
  const header = join(prefix, 'include', 'node', 'node_version.h');
  if (!existsSync(header)) return undefined;
  const major = /#define NODE_MAJOR_VERSION (\d+)/.exec(readFileSync(header, 'utf8'))?.[1];
  return major === process.versions.node.split('.')[0] ? prefix : undefined;
}

/** Undefined when built, else why not. */
function build(strict) {
  if (process.platform !== 'linux') return `${process.platform} is not Linux`;
  const headers = installedHeaders();
  const options = ['--directory', native, '--release'];
  if (headers !== undefined) options.push(`--nodedir=${headers}`);
  const script = findNodeGyp();
  const [command, first] = script === undefined ? ['node-gyp', []] : [process.execPath, [script]];
  const result = spawnSync(command, [...first, 'configure', 'build', ...options], {
    stdio: strict ? 'inherit' : 'pipe',
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.error !== undefined) return `node-gyp did not start (${result.error.message})`;
  if (result.status === 0 && existsSync(addon)) return undefined;
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`;
  if (/not found: make|: (command )?not found|Error 127/.test(output)) {
    return 'make or the C++ compiler is missing';
  }
  if (/gyp ERR! find Python/.test(output)) return 'Python, which node-gyp needs, is missing';
  return 'the build failed';
}

function main() {
  const strict = process.argv.includes('--strict');
  const wanted = fingerprint();
  const upToDate =
    existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted;
  if (upToDate) return;
  rmSync(stamp, { force: true });
  const failure = build(strict);
  if (failure === undefined) {
    mkdirSync(dirname(stamp), { recursive: true });
    writeFileSync(stamp, `${wanted}\n`);
    return;
  }
  // An addon of older sources must not be loaded in place of the portable version.
  rmSync(addon, { force: true });
  console.error(
    `afterimage: native part not built (${failure}): ${lost}; everything else works. ` +
      'To see why: node native/build.js --strict',
  );
  if (strict) process.exitCode = 1;
}

main();
