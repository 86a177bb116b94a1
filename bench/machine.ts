/** What a figure was measured on. */
import { statfsSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly node: string;
  /** Of the folder that trees and data folders are put in. */
  readonly filesystem: string;
}

const MIB = 1024 * 1024;
/** `f_type` of statfs(2). */
const filesystems: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x5846_5342: 'xfs',
  0x9123_683e: 'btrfs',
  0x0102_1994: 'tmpfs',
  0x794c_7630: 'overlay',
  0x2fc1_2fc1: 'zfs',
  0x6969: 'nfs',
};

export function describeMachine(): Machine {
  const processors = cpus();
  const { type } = statfsSync(tmpdir());
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryMib: Math.round(totalmem() / MIB),
    kernel: release(),
    node: process.version,
    filesystem: filesystems[type] ?? `0x${type.toString(16)}`,
  };
}
