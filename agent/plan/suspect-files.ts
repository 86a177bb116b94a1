/**
 * Files that failed under the reader after something had been said of them, as on a disk with bad
 * sectors: that sync is taken back. From then on they are read through before anything is said, so
 * that the next sync leaves them out, by name, instead of failing as well.
 */
import { readSync } from 'node:fs';
import type { NodeRow } from '../state/node-row.js';
import type { Pause } from './pause.js';

const SUSPECTS_MAX = 10_000;
const CHUNK_BYTES = 1024 * 1024;

export class SuspectFiles {
  /** By identity. */
  readonly #files = new Set<string>();

  has(file: Pick<NodeRow, 'identity'>): boolean {
    return this.#files.size > 0 && this.#files.has(keyOf(file));
  }

  add(file: NodeRow): void {
    if (this.#files.size < SUSPECTS_MAX) this.#files.add(keyOf(file));
  }

  /** Clears a file that can be read again. Throws the system's error. */
  async readThrough(file: NodeRow, fd: number, pause: Pause): Promise<void> {
    const room = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let at = 0, read = 1; read > 0; at += read) {
      read = readSync(fd, room, 0, room.length, at);
      const rest = pause.breathe();
      if (rest !== undefined) await rest;
    }
    this.#files.delete(keyOf(file));
  }
}

function keyOf({ identity }: Pick<NodeRow, 'identity'>): string {
  return identity?.toString('latin1') ?? '';
}
