/** Finds, compiles and instantiates what `assembly/build.js` built. */

import { instantiateSync } from '@assemblyscript/loader';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AfterimageError } from '../errors.js';

/** The part of the engine's WebAssembly that is used here; Node's types leave it out. */
declare const WebAssembly: {
  readonly validate: (bytes: Uint8Array) => boolean;
  readonly Module: new (bytes: Uint8Array) => object;
};

export type WasmFile = 'core-simd' | 'core-relaxed' | 'lattice' | 'table';

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** A constant that AssemblyScript exports. */
export interface WasmConstant {
  readonly value: number;
}

const bytesOf = new Map<WasmFile, Uint8Array>();
const modules = new Map<WasmFile, object>();

/** From dist/shared/hash first, then from shared/hash, where tests run the TypeScript. */
function read(file: WasmFile): Uint8Array {
  const known = bytesOf.get(file);
  if (known !== undefined) return known;
  const places = ['../../assembly/', '../../dist/assembly/'].map((folder) =>
    fileURLToPath(new URL(`${folder}${file}.wasm`, import.meta.url)),
  );
  const path = places.find((place) => existsSync(place));
  if (path === undefined) {
    throw new AfterimageError('internal', `${file}.wasm is missing; run npm run build:wasm`);
  }
  const bytes = readFileSync(path);
  bytesOf.set(file, bytes);
  return bytes;
}

/** Whether this engine takes the build. */
export function isSupported(file: WasmFile): boolean {
  return modules.has(file) || WebAssembly.validate(read(file));
}

/** The exports of a new instance with its own memory. The module is compiled once a thread. */
export function instantiate(file: WasmFile): Record<string, unknown> {
  try {
    const module = modules.get(file) ?? new WebAssembly.Module(read(file));
    modules.set(file, module);
    return instantiateSync<Record<string, unknown>>(module).exports;
  } catch (error) {
    if (error instanceof AfterimageError) throw error;
    throw new AfterimageError('internal', `${file}.wasm cannot be instantiated`, { cause: error });
  }
}
