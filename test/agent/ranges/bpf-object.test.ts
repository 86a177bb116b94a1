/** The committed programs are those of the committed source. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../native/tracker/', import.meta.url));
const COMPILER = 14;

/** Why the object cannot be built again as it was; undefined when it can. */
function whyNot(): string | undefined {
  const { error, stdout } = spawnSync('clang', ['--version'], { encoding: 'utf8' });
  if (error !== undefined) return 'there is no clang';
  const version = /clang version (\d+)/.exec(stdout)?.[1];
  if (version !== `${COMPILER}`) return `clang ${version ?? '?'} is not ${COMPILER}`;
  if (spawnSync('llvm-strip', ['--version']).error !== undefined) return 'there is no llvm-strip';
  const headers = spawnSync('pkg-config', ['--exists', 'libbpf']);
  return headers.status === 0 ? undefined : "libbpf's headers are not installed";
}

const missing = whyNot();
if (missing !== undefined) console.log(`skipped: building the tracker's object again: ${missing}`);

/** Instructions and relocations of every program, as the disassembler shows them. */
function programsOf(object: string): string {
  const { stdout, status, stderr } = spawnSync(
    'llvm-objdump',
    ['--disassemble', '--reloc', '--no-show-raw-insn', path.basename(object)],
    { encoding: 'utf8', cwd: path.dirname(object), maxBuffer: 64 * 1024 * 1024 },
  );
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

test.skipIf(missing !== undefined)(
  'ranges.bpf.o: holds what its source compiles to',
  () => {
    const home = fs.mkdtempSync(path.join(tmpdir(), 'afterimage-object-'));
    try {
      const fresh = path.join(home, 'ranges.bpf.o');
      const built = spawnSync(process.execPath, [path.join(folder, 'build-object.js'), fresh], {
        encoding: 'utf8',
      });
      expect(built.status, built.stderr).toBe(0);
      expect(programsOf(fresh)).toBe(programsOf(path.join(folder, 'ranges.bpf.o')));
      expect(fs.readFileSync(fresh).includes(Buffer.from(folder))).toBe(false);
    } finally {
      fs.rmSync(home, { recursive: true, force: true });
    }
  },
  30_000,
);
