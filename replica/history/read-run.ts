/**
 * The usual cases of reading a point, many blocks at one go: a small file whole, and blocks of a large
 * one that are in the body as they were. What comes out has the digests of the point, unless the asker
 * sees to that; everything else (before-images, a sync being applied, rot) is left to reading block by block, which says exactly
 * what is wrong (promise 2, R9).
 */
import fs from 'node:fs';
import { BLOCK_BYTES, blockCount, DIGEST_BYTES } from '../../shared/limits.js';
import { LIVE, Place } from '../index/schema.js';
import { type BlockSource, isUnreadable, readFully } from './read-block.js';
import type { ReadManner } from './set-reader.js';

/** A whole file. */
export interface SmallFile {
  /** 32 bytes a block. */
  readonly digests: Buffer;
  readonly bytes: Buffer;
}

/** Files up to this size are read whole. */
export const SMALL_BYTES_MAX = 4 * BLOCK_BYTES;
const SLAB_BYTES = 2 * 1024 * 1024;

interface SmallRow {
  readonly size: number;
  readonly died: number;
  readonly place: number | null;
  readonly digests: Buffer | null;
  readonly parent: number | null;
  readonly name: Buffer | null;
  readonly changed: number;
}

const smallSql = `SELECT n.size AS size, n.died AS died, b.place AS place, d.digests AS digests,
    e.parent AS parent, e.name AS name,
    EXISTS (SELECT 1 FROM before WHERE body = n.body AND hi >= ?) AS changed
  FROM node n LEFT JOIN body b ON b.id = n.body
  LEFT JOIN digests d ON d.body = n.body AND d.first = 0
  LEFT JOIN entry e ON e.node = b.node AND e.died = ${LIVE}
  WHERE n.id = ? AND n.born <= ? ORDER BY n.born DESC LIMIT 1`;

export class RunReader {
  readonly #source: BlockSource;
  #slab = Buffer.alloc(0);

  constructor(source: BlockSource) {
    this.#source = source;
  }

  /** A small file as it was at a point, or undefined when reading it takes more than this. */
  small(node: number, point: number, manner: ReadManner = {}): SmallFile | undefined {
    const { bodies } = this.#source;
    const row = this.#look(node, point);
    if (row?.place !== Place.base) return undefined;
    const { size, digests, parent, name } = row;
    if (parent === null || name === null) return undefined;
    const room = (): Buffer => this.#room(size, manner);
    const bytes = this.#read(room, 0, () => bodies.openNow({ parent, name }), fs.closeSync);
    if (bytes === undefined || !this.#matches(bytes, digests, manner)) return undefined;
    return { digests, bytes };
  }

  /** The digests of a small file as it was at a point, or undefined when finding them takes more. */
  smallDigests(node: number, point: number): Buffer | undefined {
    return this.#look(node, point)?.digests;
  }

  #look(node: number, point: number): (SmallRow & { readonly digests: Buffer }) | undefined {
    const row = this.#source.index.get<SmallRow>(smallSql, point, node, point);
    if (row === undefined || row.died <= point || row.changed !== 0) return undefined;
    const { size, digests } = row;
    if (size === 0 || size > SMALL_BYTES_MAX) return undefined;
    if (digests?.length !== blockCount(size) * DIGEST_BYTES) return undefined;
    return { ...row, digests };
  }

  /** Whole blocks of a body from `first` on, or undefined when they do not have these digests. */
  blocks(
    run: {
      readonly body: number;
      readonly first: number;
      readonly digests: Buffer;
      /** Bytes of all these blocks; only a file's last may be short. */
      readonly length: number;
    },
    manner: ReadManner = {},
  ): Buffer | undefined {
    const { bodies } = this.#source;
    const room = (): Buffer => this.#room(run.length, manner);
    const bytes = this.#read(room, run.first * BLOCK_BYTES, () => bodies.open(run.body));
    return bytes !== undefined && this.#matches(bytes, run.digests, manner) ? bytes : undefined;
  }

  #read(
    room: () => Buffer,
    offset: number,
    open: () => number | undefined,
    close?: (fd: number) => void,
  ): Buffer | undefined {
    try {
      const fd = open();
      if (fd === undefined) return undefined;
      try {
        const bytes = room();
        return readFully(fd, bytes, offset) === bytes.length ? bytes : undefined;
      } finally {
        close?.(fd);
      }
    } catch (error) {
      if (isUnreadable(error)) return undefined;
      throw error;
    }
  }

  #matches(bytes: Buffer, digests: Buffer, { check }: ReadManner): boolean {
    if (check === 'asker') return true;
    const { core } = this.#source;
    return digests.equals(core.digestBlocks(bytes).digests.subarray(0, digests.length));
  }

  /** The asker's, or pieces of large buffers, which live until the last of their pieces was used. */
  #room(length: number, { room: given }: ReadManner): Buffer {
    if (given !== undefined) return given(length);
    if (this.#slab.length < length) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    const room = this.#slab.subarray(0, length);
    this.#slab = this.#slab.subarray(length);
    return room;
  }
}
