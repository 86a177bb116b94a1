/**
 * Runs the tests of the native part on a build with the address and undefined-behaviour sanitizers.
 * Works on a copy of the sources, so that the usual build stays.
 *
 *   npm run test:native
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const FLAGS =
  '-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g';
const tests = [
  'test/shared/posix',
  'test/shared/seal',
  'test/agent/plan/scan-ahead.test.ts',
  'test/agent/capture/fanotify.test.ts',
  'test/agent/capture/fanotify-roots.test.ts',
  'test/agent/ranges/clone-source.test.ts',
];
function runtime() {
  const found = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const path = found.stdout?.trim() ?? '';
  return path.startsWith('/') ? path : undefined;
}

function run(folder, command, args, env = {}) {
  const { status } = spawnSync(command, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  return status === 0;
}

function copy(folder) {
  const left = new Set(['.git', 'node_modules', 'coverage']);
  for (const name of readdirSync(project)) {
    if (left.has(name)) continue;
    const builds = join(project, 'native', 'build');
    cpSync(join(project, name), join(folder, name), {
      recursive: true,
      filter: (from) =>
        from !== builds && !from.startsWith(join(project, 'native', 'tracker', 'build')),
    });
  }
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
}

/** A build that ignored the flags would pass everything. */
function isSanitized(folder) {
  const addon = join(folder, 'native', 'build', 'Release', 'afterimage_native.node');
  const sanitized = readFileSync(addon).includes('__asan_init');
  if (!sanitized) process.stderr.write(`${addon} was built without the sanitizers\n`);
  return sanitized;
}

const asan = runtime();
if (asan === undefined) {
  process.stdout.write('skipped: the compiler has no address sanitizer (libasan)\n');
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'afterimage-sanitize-'));
let good = false;
try {
  copy(folder);
  good =
    run(folder, process.execPath, ['native/build.js', '--strict'], {
      CXXFLAGS: FLAGS,
      LDFLAGS: '-fsanitize=address,undefined',
    }) &&
    isSanitized(folder) &&
    run(folder, join(folder, 'node_modules', '.bin', 'vitest'), ['run', ...tests], {
      LD_PRELOAD: asan,
      // Leaks are not looked for: Node leaves its own at exit, and every stack of ours goes through Node
      // too, so that a suppression of its leaks would hide ours.
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:handle_segv=0',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(good ? 0 : 1);
