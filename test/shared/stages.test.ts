import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { compressAt, decompressBody } from '../../shared/protocol/compress.js';
import { countStage, Stage, stageCounts, type StageName } from '../../shared/stages.js';

const BYTES = 200_000;

function bytesOf(name: StageName): number {
  return stageCounts()[name]?.bytes ?? 0;
}

describe('stages', () => {
  test('counts: bytes that are named, compressed and decompressed are found at their stages', () => {
    // It tries itself on known bytes first.
    const core = createHashCore();
    const before = { hash: bytesOf('hash'), compress: bytesOf('compress') };
    const text = Buffer.alloc(BYTES, 'the same again ');
    core.digest(text);
    const small = compressAt(text, 1);
    expect(bytesOf('hash') - before.hash).toBe(BYTES);
    expect(bytesOf('compress') - before.compress).toBe(BYTES);
    decompressBody(small ?? Buffer.alloc(0), BYTES);
    expect(bytesOf('decompress')).toBe(BYTES);
  });

  test('counts: a piece of work adds the time since it began', () => {
    const before = stageCounts().check?.ms ?? 0;
    countStage(Stage.check, performance.now() - 5_000);
    expect((stageCounts().check?.ms ?? 0) - before).toBeGreaterThanOrEqual(4_999);
  });

  test('counts: threads count into the memory that the first one made', async () => {
    const source = `
      const { getEnvironmentData, parentPort } = require('node:worker_threads');
      parentPort.postMessage(getEnvironmentData('afterimage-stages') instanceof SharedArrayBuffer);`;
    const worker = new Worker(source, { eval: true });
    const found = await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    expect(found).toBe(true);
  });
});
