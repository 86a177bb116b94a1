import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureToken, isAuthorised } from '../../../replica/serve/token.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-token-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('token', () => {
  it('a new data folder: gets a random one that only its owner reads', () => {
    const token = ensureToken(folder);
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(readFileSync(join(folder, 'token'), 'utf8')).toBe(`${token}\n`);
    expect(statSync(join(folder, 'token')).mode & 0o777).toBe(0o600);
  });

  it('the next start: keeps it, and closes a file that was opened up', () => {
    const token = ensureToken(folder);
    chmodSync(join(folder, 'token'), 0o644);
    expect(ensureToken(folder)).toBe(token);
    expect(statSync(join(folder, 'token')).mode & 0o777).toBe(0o600);
  });

  it.each(['', 'short', `${'x'.repeat(40)} and more`])('a file with %j: is refused', (text) => {
    writeFileSync(join(folder, 'token'), text);
    expect(() => ensureToken(folder)).toThrow(
      expect.objectContaining({ code: 'config-invalid' }) as Error,
    );
  });

  it('headers: only a bearer of the very token passes', () => {
    const token = 'a'.repeat(43);
    expect(isAuthorised(`Bearer ${token}`, token)).toBe(true);
    expect(isAuthorised(`bearer  ${token}`, token)).toBe(true);
    for (const header of [
      undefined,
      '',
      'Bearer',
      token,
      `Bearer ${token}a`,
      `Bearer a ${token}`,
    ]) {
      expect(isAuthorised(header, token)).toBe(false);
    }
  });
});
