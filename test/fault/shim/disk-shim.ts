/**
 * The test's hand on disk-shim.c: what it counted of a process, and what it is to do to the next
 * calls. Several processes may run under one shim; rules change while they run.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { compile } from '../native-program.js';

/** In the order of `enum kind` in control.h. */
export const callKinds = [
  'write',
  'read',
  'fsync',
  'fdatasync',
  'syncfs',
  'rename',
  'create',
  'open',
  'link',
  'unlink',
  'mkdir',
  'truncate',
  'allocate',
  'copy',
] as const;
export type CallKind = (typeof callKinds)[number];

const actions = { fail: 1, short: 2, lie: 3, lose: 4, kill: 5 } as const;

const CONTROL_BYTES = 8192;
const RULES = 16;
const RULE_BYTES = 128;
const MATCH_BYTES = 64;
const AT = { clockShift: 8, slowNs: 16, slowKinds: 24, remember: 32, counts: 128, rules: 256 };
const RULE_AT = { kinds: 0, from: 8, seen: 40, hit: 48, match: 64 };
const FOR_EVER = (1n << 63n) - 1n;

export interface FaultRule {
  readonly kinds: readonly CallKind[];
  /** The first matching call that is hit, from 1. */
  readonly from?: number;
  /** How many calls are hit; without, all of them until the rule is lifted. */
  readonly times?: number;
  /**
   * `short`: half of a write or read. `lie`: nothing is done, success is told. `lose`: a flush fails
   * and what was written since the last one is gone, as on Linux. `kill`: the process dies first.
   */
  readonly action: keyof typeof actions;
  /** EIO when left out. */
  readonly errno?: 'ENOSPC' | 'EIO' | 'EROFS' | 'EDQUOT';
  /** Only paths that contain it. */
  readonly match?: string;
}

/** A rule in force. */
export interface ArmedRule {
  /** Matching calls so far. */
  seen(): number;
  /** Calls that it was done to. */
  hit(): number;
  lift(): void;
}

export class DiskShim {
  /** Environment of a process that is to run under it. */
  readonly env: Readonly<Record<string, string>>;
  readonly #home: string;
  readonly #control: number;
  readonly #used = new Set<number>();

  /** Watches calls on paths below `folder`, which need not be there yet. Needs a compiler. */
  constructor(folder: string) {
    this.#home = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-shim-'));
    const library = path.join(this.#home, 'disk-shim.so');
    const control = path.join(this.#home, 'control');
    compile(['shim/disk-shim.c', 'shim/undo.c'], {
      output: library,
      flags: ['-shared', '-fPIC', '-ldl', '-lpthread'],
    });
    fs.writeFileSync(control, Buffer.alloc(CONTROL_BYTES));
    this.#control = fs.openSync(control, 'r+');
    this.env = {
      LD_PRELOAD: library,
      AFTERIMAGE_FAULT_FOLDER: folder,
      AFTERIMAGE_FAULT_CONTROL: control,
    };
  }

  /** Calls of a kind since the shim was made, whatever became of them. */
  count(kind: CallKind): number {
    return Number(this.#get(AT.counts + 8 * callKinds.indexOf(kind)));
  }

  /** The rule holds from now on; its calls are counted from here. */
  arm(rule: FaultRule): ArmedRule {
    const slot = [...Array(RULES).keys()].find((number) => !this.#used.has(number));
    if (slot === undefined) throw new Error(`more than ${RULES} rules at once`);
    this.#used.add(slot);
    const at = AT.rules + slot * RULE_BYTES;
    const match = Buffer.alloc(MATCH_BYTES);
    if (match.write(rule.match ?? '') === MATCH_BYTES) throw new Error('the match is too long');
    const error = os.constants.errno[rule.errno ?? 'EIO'];
    const numbers = [BigInt(rule.from ?? 1), BigInt(rule.times ?? FOR_EVER)];
    [...numbers, BigInt(actions[rule.action]), BigInt(error), 0n, 0n].forEach((value, index) => {
      this.#set(at + RULE_AT.from + 8 * index, value);
    });
    fs.writeSync(this.#control, match, 0, MATCH_BYTES, at + RULE_AT.match);
    this.#set(at + RULE_AT.kinds, maskOf(rule.kinds));
    return {
      seen: () => Number(this.#get(at + RULE_AT.seen)),
      hit: () => Number(this.#get(at + RULE_AT.hit)),
      lift: () => {
        if (this.#used.delete(slot)) this.#set(at + RULE_AT.kinds, 0n);
      },
    };
  }

  /** Every call of these kinds takes `ms` longer; 0 for none. */
  slowDown(kinds: readonly CallKind[], ms: number): void {
    this.#set(AT.slowNs, 0n);
    this.#set(AT.slowKinds, maskOf(kinds));
    this.#set(AT.slowNs, BigInt(Math.round(ms * 1e6)));
  }

  /** The process's clock on the wall is `ms` ahead of the machine's, or behind when negative. */
  shiftClock(ms: number): void {
    this.#set(AT.clockShift, BigInt(ms) * 1_000_000n);
  }

  /** Keeps what writes overwrite until it is flushed; needed before rules of action `lose`. */
  remember(): void {
    this.#set(AT.remember, 1n);
  }

  /** Call when no process runs under it any more. */
  close(): void {
    fs.closeSync(this.#control);
    fs.rmSync(this.#home, { recursive: true, force: true });
  }

  #get(offset: number): bigint {
    const bytes = Buffer.alloc(8);
    fs.readSync(this.#control, bytes, 0, 8, offset);
    return bytes.readBigUInt64LE();
  }

  #set(offset: number, value: bigint): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    fs.writeSync(this.#control, bytes, 0, 8, offset);
  }
}

function maskOf(kinds: readonly CallKind[]): bigint {
  return kinds.reduce((mask, kind) => mask | (1n << BigInt(callKinds.indexOf(kind))), 0n);
}
