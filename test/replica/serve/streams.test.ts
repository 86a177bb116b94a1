import { expect, test } from 'vitest';
import { lineStream } from '../../../replica/serve/streams.js';
import { silentLog } from '../../../shared/log.js';

test('lines: one that comes alone is sent at once, not kept until there are more (promise 10)', async () => {
  let goOn = (): void => undefined;
  const read = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  async function* slowly(): AsyncGenerator<object> {
    yield { type: 'progress', done: 1 };
    await read; // resolved by the reader: kept back, the line would never be read
    yield { type: 'progress', done: 2 };
  }
  const closing = new AbortController().signal;
  const seen: string[] = [];
  for await (const piece of lineStream(slowly(), { closing, log: silentLog })) {
    seen.push(String(piece));
    goOn();
  }
  expect(
    seen
      .join('')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as object),
  ).toEqual([
    { type: 'progress', done: 1 },
    { type: 'progress', done: 2 },
    { type: 'end', lines: 2 },
  ]);
});
