/**
 * Builds the optional native parts with node-gyp; run by npm's install script. It never fails an
 * install: without a compiler it prints one line that says what is lost and exits 0. The tracker is a
 * build of its own: it needs libbpf, and where that is missing nothing else is. Where libipsec-mb is
 * installed, its AES-256-GCM is linked into the addon, whole: who runs it needs no library.
 *
 *   node native/build.js            build when the sources changed since the last build
 *   node native/build.js --strict   show the compiler's output, and exit 1 when the build fails
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = dirname(fileURLToPath(import.meta.url));
const parts = [
  {
    directory: native,
    name: 'afterimage_native',
    sources: ['src'],
    lost:
      'extended attributes, ACLs, device nodes, sparse holes, file handles and times finer than a ' +
      'microsecond are not carried, and scans are slower',
    libraries: { AFTERIMAGE_IPSEC_MB: ipsecMb() },
  },
  {
    directory: join(native, 'tracker'),
    name: 'afterimage_tracker',
    sources: ['tracker', 'src'],
    needs: 'libbpf',
    lost: 'large files that change on ext4 are read whole',
  },
];

/** Where the build leaves a part. */
function built(part) {
  return join(part.directory, 'build', 'Release', `${part.name}.node`);
}

/** Path of a static libipsec-mb that has what src/ipsec-mb.h names; empty when there is none. */
function ipsecMb() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return '';
  const compiler = process.env['CXX'] ?? 'c++';
  const asked = spawnSync(compiler, ['-print-file-name=libIPSec_MB.a'], { encoding: 'utf8' });
  const path = asked.stdout?.trim() ?? '';
  if (!path.startsWith('/')) return '';
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-build-'));
  try {
    // parts of the library may be called otherwise in another version
    const program = `#include "${join(native, 'src', 'ipsec-mb.h')}"
      int main() {
        static gcm_key_data key;
        static gcm_context_data context;
        static uint8_t bytes[64];
        aes_keyexp_256_enc_avx512(bytes, key.expanded_keys);
        aes_gcm_precomp_256_vaes_avx512(&key);
        aes_gcm_enc_256_vaes_avx512(&key, &context, bytes, bytes, 1, bytes, bytes, 1, bytes, 16);
        aes_gcm_dec_256_vaes_avx512(&key, &context, bytes, bytes, 1, bytes, bytes, 1, bytes, 16);
      }`;
    const options = ['-std=c++17', '-o', join(folder, 'program'), '-x', 'c++', '-'];
    const linked = spawnSync(compiler, [...options, '-x', 'none', path], { input: program });
    return linked.status === 0 ? path : '';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Names the sources, the headers' version, libraries and the machine the build is for. */
function fingerprint(part) {
  const hash = createHash('sha256');
  hash.update(`${process.platform} ${process.arch}\n`);
  const headers = join(native, '..', 'node_modules', 'node-addon-api', 'package.json');
  const gyp = join(relative(native, part.directory), 'binding.gyp');
  const sources = part.sources.flatMap((folder) =>
    readdirSync(join(native, folder))
      .filter((name) => /\.(cc|h)$/.test(name))
      .sort()
      .map((name) => join(folder, name)),
  );
  const files = ['build.js', gyp, ...sources];
  for (const file of [...files.map((name) => join(native, name)), headers]) {
    hash.update(existsSync(file) ? readFileSync(file) : '');
    hash.update('\n');
  }
  for (const path of Object.values(part.libraries ?? {})) {
    hash.update(path === '' ? '\n' : `${path} ${statSync(path).size} ${statSync(path).mtimeMs}\n`);
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

/** True when the compiler can find the library: its headers, and pkg-config to tell of them. */
function isInstalled(library) {
  return spawnSync('pkg-config', ['--exists', library]).status === 0;
}

/** Undefined when built, else why not. */
function build(part, strict) {
  if (process.platform !== 'linux') return `${process.platform} is not Linux`;
  const headers = installedHeaders();
  const options = ['--directory', part.directory, '--release'];
  if (headers !== undefined) options.push(`--nodedir=${headers}`);
  const script = findNodeGyp();
  const [command, first] = script === undefined ? ['node-gyp', []] : [process.execPath, [script]];
  const result = spawnSync(command, [...first, 'configure', 'build', ...options], {
    stdio: strict ? 'inherit' : 'pipe',
    encoding: 'utf8',
    env: { ...process.env, ...part.libraries },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.error !== undefined) return `node-gyp did not start (${result.error.message})`;
  if (result.status === 0 && existsSync(built(part))) return undefined;
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`;
  if (/not found: make|: (command )?not found|Error 127/.test(output)) {
    return 'make or the C++ compiler is missing';
  }
  if (/gyp ERR! find Python/.test(output)) return 'Python, which node-gyp needs, is missing';
  return 'the build failed';
}

/** False when the part could not be built. */
function bring(part, strict) {
  const addon = built(part);
  const stamp = addon.replace(/node$/, 'stamp');
  const wanted = fingerprint(part);
  const upToDate =
    existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted;
  if (upToDate) return true;
  rmSync(stamp, { force: true });
  const missing = part.needs !== undefined && !isInstalled(part.needs);
  const failure = missing ? `${part.needs} is not installed` : build(part, strict);
  if (failure === undefined) {
    mkdirSync(dirname(stamp), { recursive: true });
    writeFileSync(stamp, `${wanted}\n`);
    return true;
  }
  // An addon of older sources must not be loaded in place of what serves without it.
  rmSync(addon, { force: true });
  console.error(
    `afterimage: ${part.name} not built (${failure}): ${part.lost}; everything else works. ` +
      'To see why: node native/build.js --strict',
  );
  return missing;
}

function main() {
  const strict = process.argv.includes('--strict');
  const results = parts.map((part) => bring(part, strict));
  if (strict && results.includes(false)) process.exitCode = 1;
}

main();
