/** Links that a file system of the replica cannot hold do not keep a sync from its point (promise 9). */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isBaseLink, makeBaseLink } from '../../../replica/apply/base-link.js';
import {
  BlockDevices,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
} from '../../fault/power/block-devices.js';

const long = Buffer.from('l/'.repeat(2_000));
const other = Buffer.concat([long.subarray(0, 1_100), Buffer.from('elsewhere')]);
let home: string;
let devices: BlockDevices;
beforeEach(() => {
  home = homeOfDevices(tmpdir());
  devices = new BlockDevices();
});
afterEach(() => {
  devices.close();
  fs.rmSync(home, { recursive: true, force: true });
});

test('base links: XFS holds the beginning of a long one, which is told from another', (context) => {
  const missing = mountsMissing(['xfs']);
  if (missing !== undefined) context.skip(missing);
  const place = path.join(home, 'disk');
  fs.mkdirSync(place);
  makeFileSystem('xfs', path.join(home, 'image'), { bytes: 320 * 1024 * 1024 });
  devices.mount(devices.loop(path.join(home, 'image')), place);
  const at = Buffer.from(path.join(place, 'link'));
  expect(() => {
    fs.symlinkSync(long, at);
  }).toThrow('ENAMETOOLONG');
  makeBaseLink(at, long);
  const found = fs.readlinkSync(at, { encoding: 'buffer' });
  expect(found.equals(long.subarray(0, 1_023))).toBe(true);
  expect(isBaseLink(found, long)).toBe(true);
  expect(isBaseLink(found, Buffer.concat([Buffer.from('x'), long]))).toBe(false);
});

test('base links: where a long one fits it is whole, and a short one is never taken for its beginning', () => {
  const at = Buffer.from(path.join(home, 'link'));
  makeBaseLink(at, other);
  const found = fs.readlinkSync(at, { encoding: 'buffer' });
  expect(found.equals(other) || found.length === 1_023).toBe(true);
  expect(isBaseLink(found, other)).toBe(true);
  expect(isBaseLink(Buffer.from('short'), Buffer.from('shorter'))).toBe(false);
});
