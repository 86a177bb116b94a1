/**
 * Random changes of large files, of every kind that moves, makes or takes blocks: what a file system
 * refuses is left out. Run through xfs_io, which knows all of them.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { constants, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Seeded } from '../../support/seeded.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const FILE_BYTES_MAX = 6 * MIB;
const BLOCK = 4 * KIB;

export const fileNames: readonly string[] = ['a', 'b', 'c'];

type Change = (file: string, random: Seeded) => void;

function io(file: string, flags: readonly string[], commands: readonly string[]): void {
  const args = [...flags, ...commands.flatMap((command) => ['-c', command]), file];
  spawnSync('xfs_io', args, { encoding: 'utf8' });
}

function place(file: string, random: Seeded, unit = 1): { offset: number; length: number } {
  const { size } = statSync(file);
  const offset = Math.floor(random.below(size + 64 * KIB) / unit) * unit;
  const length =
    unit * (1 + random.below(Math.ceil((random.chance(0.2) ? 300 * KIB : 9000) / unit)));
  return { offset, length };
}

function newFile(file: string, random: Seeded): void {
  writeFileSync(file, random.bytes(random.below(3 * MIB) + 2 * MIB));
}

export const changes: Readonly<Record<string, Change>> = {
  buffered(file, random) {
    const fd = openSync(file, 'r+');
    for (let time = random.below(8); time >= 0; time -= 1) {
      const { offset, length } = place(file, random);
      writeSync(fd, random.bytes(length), 0, length, offset);
    }
    closeSync(fd);
  },
  append(file, random) {
    writeFileSync(file, random.bytes(random.below(200 * KIB)), { flag: 'a' });
  },
  direct(file, random) {
    const { offset, length } = place(file, random, BLOCK);
    io(file, ['-d'], [`pwrite -S ${random.below(256)} ${offset} ${length}`]);
  },
  mapped(file, random) {
    const { size } = statSync(file);
    if (size < MIB) return;
    const offset = random.below(size - 100 * KIB);
    const length = 1 + random.below(90 * KIB);
    io(file, [], [`mmap -rw 0 ${size}`, `mwrite -S ${random.below(256)} ${offset} ${length}`]);
  },
  reserve(file, random) {
    const { offset, length } = place(file, random);
    io(file, [], [`falloc ${random.chance(0.5) ? '-k ' : ''}${offset} ${length}`]);
  },
  punch(file, random) {
    const { offset, length } = place(file, random, random.chance(0.5) ? BLOCK : 1);
    io(file, [], [`fpunch ${offset} ${length}`]);
  },
  zero(file, random) {
    const { offset, length } = place(file, random);
    io(file, [], [`fzero ${offset} ${length}`]);
  },
  collapse(file, random) {
    const { offset, length } = place(file, random, BLOCK);
    io(file, [], [`fcollapse ${offset} ${length}`]);
  },
  insert(file, random) {
    const { offset, length } = place(file, random, BLOCK);
    io(file, [], [`finsert ${offset} ${length}`]);
  },
  truncate(file, random) {
    const size = statSync(file).size;
    io(file, [], [`truncate ${random.below(random.chance(0.5) ? FILE_BYTES_MAX : size + 1)}`]);
  },
  shrinkAndGrow(file, random) {
    const { size } = statSync(file);
    io(file, [], [`truncate ${random.below(size + 1)}`, `truncate ${size}`]);
  },
  /** Blocks of another file, or of another place of this one. */
  reflink(file, random) {
    const other = join(file, '..', random.pick(fileNames));
    if (!existsSync(other)) return;
    const { offset } = place(file, random, BLOCK);
    const source = place(other, random, BLOCK).offset;
    const length = BLOCK * (1 + random.below(40));
    io(file, [], [`reflink ${other} ${source} ${offset} ${length}`]);
  },
  /** Takes the file back to what it was, block for block. */
  putBack(file) {
    const aside = `${file}.aside`;
    if (!existsSync(aside)) copyFileSync(file, aside, constants.COPYFILE_FICLONE);
    else io(file, [], [`reflink ${aside} 0 0 ${Math.floor(statSync(aside).size / BLOCK) * BLOCK}`]);
  },
  renameOver(file, random) {
    newFile(`${file}.new`, random);
    renameSync(`${file}.new`, file);
  },
  makeAnew(file, random) {
    rmSync(file);
    newFile(file, random);
  },
};

/** Changes some of the files in `folder`; says what it did. */
export function changeSome(folder: string, random: Seeded): string[] {
  const done: string[] = [];
  for (let time = random.below(5); time >= 0; time -= 1) {
    const name = random.pick(fileNames);
    const file = join(folder, name);
    if (!existsSync(file)) newFile(file, random);
    const kind = random.chance(0.35) ? 'buffered' : random.pick(Object.keys(changes));
    changes[kind]?.(file, random);
    done.push(`${kind} ${name}`);
    if (existsSync(file) && statSync(file).size > FILE_BYTES_MAX) io(file, [], ['truncate 5m']);
  }
  return done;
}
