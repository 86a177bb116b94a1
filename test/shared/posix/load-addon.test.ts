import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadAddon } from '../../../shared/posix/load-addon.js';
import { LAYOUT_VERSION } from '../../../shared/posix/scan-record.js';

test('addon: the sources name the layout version that the loader asks for', () => {
  const header = readFileSync(new URL('../../../native/src/status.h', import.meta.url), 'utf8');
  expect(/kLayoutVersion = (\d+);/.exec(header)?.[1]).toBe(String(LAYOUT_VERSION));
});

test('addon: one of another version is not used, and the reason says what to do', () => {
  const addon = loadAddon();
  if ('whyNot' in addon) {
    expect(addon.whyNot).toMatch(/AFTERIMAGE_NO_NATIVE|not built|run node native\/build\.js/);
  } else {
    expect(addon.exports).toMatchObject({ layoutVersion: LAYOUT_VERSION });
  }
});
