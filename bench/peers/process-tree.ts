/** Processor time and memory of processes with all that they started, from /proc. */
import { readFileSync } from 'node:fs';

/** USER_HZ, which is 100 wherever /proc exists. */
const TICKS_PER_S = 100;

/** Processes of a tree that are counted for themselves. */
export type Apart = ReadonlySet<number>;

const nobody: Apart = new Set();

/** Of the living, and of their children that ended. 0 for a process that is gone. */
export function cpuOfTreeS(pid: number, apart = nobody): number {
  return treeOf(pid, apart).reduce((sum, id) => {
    const fields = statOf(id);
    return sum + ticks(fields, 11) + ticks(fields, 12) + ticks(fields, 13) + ticks(fields, 14);
  }, 0);
}

/** Of this process's children that ended. */
export function cpuOfEndedS(): number {
  const fields = statOf(process.pid);
  return ticks(fields, 13) + ticks(fields, 14);
}

/** Resident memory, pages that several share counted for each. 0 for a process that is gone. */
export function residentOfTreeMib(pid: number, apart = nobody): number {
  return treeOf(pid, apart).reduce((sum, id) => {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${id}/status`))?.[1] ?? '0';
    return sum + Number(kib) / 1024;
  }, 0);
}

function treeOf(pid: number, apart: Apart): number[] {
  const text = read(`/proc/${pid}/task/${pid}/children`).trim();
  const children = text.split(' ').filter(Boolean).map(Number);
  const counted = children.filter((child) => !apart.has(child));
  return [pid, ...counted.flatMap((child) => treeOf(child, apart))];
}

/** From the third field on: the command's name, in brackets, may hold anything. */
function statOf(pid: number): readonly string[] {
  return read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
}

function ticks(fields: readonly string[], index: number): number {
  return Number(fields[index] ?? 0) / TICKS_PER_S;
}

/** Empty for a process that ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
