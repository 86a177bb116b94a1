import { closeSync, mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { EarlyFlush } from '../../../shared/restore/early-flush.js';

const MIB = 1024 * 1024;

/** Flushes wait until they are let go. */
function heldFlushes(): {
  readonly early: EarlyFlush;
  readonly begun: number[];
  readonly end: (error?: Error) => void;
} {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-flush-'));
  const fd = openSync(folder, 'r');
  onTestFinished(() => {
    closeSync(fd);
    rmdirSync(folder);
  });
  const begun: number[] = [];
  let end: (error?: Error) => void = () => undefined;
  const syncfs = (which: number): Promise<void> => {
    begun.push(which);
    return new Promise((resolve, reject) => {
      end = (error) => {
        if (error === undefined) resolve();
        else reject(error);
      };
    });
  };
  const posix = { ...loadPosix(), syncfs };
  const early = new EarlyFlush(posix, () => [fd, fd]);
  return {
    early,
    begun,
    end: (error) => {
      end(error);
    },
  };
}

it('early flushes: begin after each 64 MiB, one at a time, once for a file system', async () => {
  const { early, begun, end } = heldFlushes();
  early.wrote(63 * MIB);
  expect(begun).toHaveLength(0);
  early.wrote(64 * MIB);
  early.wrote(200 * MIB);
  expect(begun).toHaveLength(1);
  end();
  await early.done();
  early.wrote(127 * MIB);
  expect(begun).toHaveLength(1);
  early.wrote(128 * MIB);
  expect(begun).toHaveLength(2);
  end();
  await early.done();
});

it('early flushes: one that fails is told at the end, and none follows it', async () => {
  const { early, begun, end } = heldFlushes();
  early.wrote(64 * MIB);
  end(new Error('the disk failed'));
  await early.settle();
  early.wrote(256 * MIB);
  expect(begun).toHaveLength(1);
  await expect(early.done()).rejects.toThrow('the disk failed');
});
