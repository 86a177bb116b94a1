/** What somebody without a token can make the replica do: answer, and nothing that grows (R22). */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { codeOf, OpenDoor } from './support/open-door.js';

let door: OpenDoor;

beforeEach(async () => {
  door = await new OpenDoor({ tries: { max: 5, windowMs: 60_000 } }).start();
});

afterEach(async () => {
  await door.stop();
});

it.each([
  ['with a wrong token', { body: { token: 'wrong' } }, 'too-many-tries'],
  ['from another site', { body: { token: 'x' }, headers: { origin: 'http://evil' } }, 'forbidden'],
  ['with a body that is none', { body: { tokens: 1 } }, 'argument-invalid'],
])('logins %s, a hundred of them: are a few entries of the audit', async (_, asked, code) => {
  let last = '';
  for (let n = 0; n < 100; n += 1) {
    last = await codeOf(await door.ask('/v1/login', { token: '', ...asked }));
  }
  expect(last).toBe(code);
  expect(door.desk.audit.head().id).toBeLessThanOrEqual(4);
});
