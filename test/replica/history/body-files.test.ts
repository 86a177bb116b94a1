import path from 'node:path';
import { expect, test } from 'vitest';
import { atticPath } from '../../../replica/history/body-files.js';

test('attic: no folder of it holds more than 1,024 bodies, however many there are (R28)', () => {
  const folders = new Map<string, number>();
  for (let body = 0; body < 10_000; body += 1) {
    const folder = path.dirname(atticPath('/set', body));
    folders.set(folder, (folders.get(folder) ?? 0) + 1);
  }
  expect(Math.max(...folders.values())).toBeLessThanOrEqual(1024);
});
