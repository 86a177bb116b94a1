/**
 * Where the blocks of files lie on disk, by the native addon (FIEMAP; ioctl_fiemap, Linux). Failures
 * throw a system error like Node's own.
 */
import { loadAddon } from './load-addon.js';
import type { DataRange } from './posix.js';
import { checkCount, checkDescriptor } from './system-error.js';

export interface Extents {
  /**
   * Byte ranges of [0, size) in which two files that share blocks may differ, sorted and disjoint:
   * where their blocks lie elsewhere, where one has none, and where the file system cannot say
   * (compressed, inline, not yet placed). Neither file may be written meanwhile. Undefined when one
   * has more than `extentsMax` extents, or they were moved meanwhile.
   */
  differences(
    pair: { readonly before: number; readonly after: number; readonly size: number },
    extentsMax: number,
  ): Promise<DataRange[] | undefined>;
  /** How many extents a file has. */
  count(fd: number): number;
}

interface ExtentBinding {
  /** Start, end, start, end … */
  differences(
    before: number,
    after: number,
    size: number,
    extentsMax: number,
  ): Promise<Float64Array | undefined>;
  countExtents(fd: number): number;
}

/** Undefined without the addon. */
export function loadExtents(): Extents | undefined {
  const addon = loadAddon();
  if ('whyNot' in addon || !('differences' in addon.exports)) return undefined;
  return createExtents(addon.exports as ExtentBinding);
}

function createExtents(binding: ExtentBinding): Extents {
  return {
    async differences({ before, after, size }, extentsMax) {
      checkDescriptor(before, 'fiemap');
      checkDescriptor(after, 'fiemap');
      checkCount(size, 'fiemap');
      checkCount(extentsMax, 'fiemap');
      const flat = await binding.differences(before, after, size, extentsMax);
      return flat === undefined ? undefined : toRanges(flat);
    },
    count(fd) {
      checkDescriptor(fd, 'fiemap');
      return binding.countExtents(fd);
    },
  };
}

function toRanges(flat: Float64Array): DataRange[] {
  const ranges: DataRange[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    ranges.push({ start: flat[index] ?? 0, end: flat[index + 1] ?? 0 });
  }
  return ranges;
}
