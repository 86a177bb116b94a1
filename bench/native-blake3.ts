/**
 * The official BLAKE3 in C with its SSE4.1 assembly, built from its sources where an operator has them:
 * what 128-bit vectors can do natively, as the hashing core's WebAssembly has no wider ones.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Everything that the x86-64 build needs without AVX2 and AVX-512. */
const sources = [
  'blake3.c',
  'blake3_dispatch.c',
  'blake3_portable.c',
  'blake3_sse2_x86-64_unix.S',
  'blake3_sse41_x86-64_unix.S',
];
const NARROW = ['-DBLAKE3_NO_AVX2', '-DBLAKE3_NO_AVX512'];

/** Hashes a buffer again and again for so many seconds; prints the seconds of one time. */
const LOOP = `
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "blake3.h"
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}
int main(int argc, char **argv) {
  size_t bytes = strtoull(argv[1], NULL, 10);
  double seconds = atof(argv[2]);
  uint8_t *buffer = malloc(bytes), out[BLAKE3_OUT_LEN];
  memset(buffer, 'x', bytes);
  double start = now(), end = start;
  long calls = 0;
  for (; end - start < seconds; calls++) {
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, buffer, bytes);
    blake3_hasher_finalize(&hasher, out, BLAKE3_OUT_LEN);
    buffer[0] = out[0];
    end = now();
  }
  printf("%.12f\\n", (end - start) / calls);
  return argc > 9;
}
`;

export interface NativeOptions {
  /** The folder `c` of the official repository. */
  readonly sourceFolder: string;
  /** For what is built. */
  readonly folder: string;
}

/** Builds it with the C compiler `cc`; gives seconds a call for an input of so many bytes. */
export function buildNative({
  sourceFolder,
  folder,
}: NativeOptions): (bytes: number, seconds: number) => number {
  const loop = join(folder, 'loop.c');
  const program = join(folder, 'native-blake3');
  writeFileSync(loop, LOOP);
  const files = sources.map((name) => join(sourceFolder, name));
  const flags = ['-O3', ...NARROW, '-I', sourceFolder, '-o', program];
  execFileSync('cc', [...flags, loop, ...files], { stdio: ['ignore', 'ignore', 'inherit'] });
  return (bytes, seconds) =>
    Number(execFileSync(program, [String(bytes), String(seconds)], { encoding: 'utf8' }));
}
