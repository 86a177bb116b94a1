/**
 * What the replica of the console's tests holds. `shop`: a month of points with a burst near its end
 * (every file of the catalogue rewritten and renamed), as ransomware leaves it. `mail`: a few points.
 */
import zlib from 'node:zlib';
import type { SyncOutcome } from '../../../shared/protocol/sync-outcome.js';
import type { SampleSet } from './sample-set.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const CATALOGUE_FILES = 400;
/** Points before the burst. */
export const CALM_POINTS = 90;
/** The point that holds the burst, and the last good one before it. */
export const BURST_POINT = CALM_POINTS + 1;
export const LAST_GOOD_POINT = CALM_POINTS;
export const POINTS = CALM_POINTS + 4;

export async function fillShop(set: SampleSet, newestMs: number): Promise<void> {
  const timeOf = (point: number): number =>
    Math.round(newestMs - ((POINTS - point) * 30 * DAY_MS) / POINTS);
  set
    .at(timeOf(1) - HOUR_MS)
    .folder('app')
    .folder('app/etc')
    .folder('app/images');
  set.folder('app/catalogue').folder('app/log').symlink('app/current', 'etc');
  set.file('app/etc/shop.conf', conf(1)).file('app/etc/empty', '');
  set.file('app/images/logo.png', png(96, 64)).file('app/images/broken.png', 'no image at all');
  set.file('app/log/access.log', logLines(0, 40));
  set.file('app/core.bin', noise(300_000, 7), { mode: 0o600 });
  set.file('app/na\xefve name \xfe.txt', 'bytes that are no UTF-8\n');
  for (let file = 0; file < CATALOGUE_FILES; file += 1) {
    set.file(catalogueName(file), `{"item": ${file}, "price": ${(file * 37) % 900}}\n`);
  }
  await set.cut(timeOf(1), { operation: 'first', consistency: 'crash', heldMs: 0, recipe: 'none' });
  for (let point = 2; point <= CALM_POINTS; point += 1) {
    set.at(timeOf(point) - 60_000);
    set.file('app/log/access.log', logLines(point, 40 + point));
    if (point % 9 === 0) set.file('app/etc/shop.conf', conf(point));
    if (point % 4 === 0)
      set.file(catalogueName(point % CATALOGUE_FILES), noise(3000 * point, point));
    if (point === 50) set.file('app/etc/old.conf', 'to be removed\n');
    if (point === 60) set.remove('app/etc/old.conf');
    await set.cut(timeOf(point), special(point));
  }
  set.at(timeOf(BURST_POINT) - 60_000);
  for (let file = 0; file < CATALOGUE_FILES; file += 1) {
    const name = catalogueName(file);
    set.file(name, noise(9000, file)).rename(name, `${name}.locked`);
  }
  set.file('app/etc/shop.conf', noise(700, 99)).file('app/etc/READ_ME.txt', 'pay\n');
  await set.cut(timeOf(BURST_POINT), { consistency: 'crash', heldMs: 0, recipe: 'none' });
  for (let point = BURST_POINT + 1; point <= POINTS; point += 1) {
    set.at(timeOf(point) - 60_000).file('app/log/access.log', logLines(point, 40 + point));
    await set.cut(timeOf(point));
  }
}

export async function fillMail(set: SampleSet, newestMs: number): Promise<void> {
  set
    .at(newestMs - DAY_MS)
    .folder('mail')
    .file('mail/inbox', 'From: somebody\n');
  await set.cut(newestMs - DAY_MS, { operation: 'first', consistency: 'filesystem', heldMs: 3 });
  set.at(newestMs - HOUR_MS).file('mail/inbox', 'From: somebody\nFrom: another\n');
  await set.cut(newestMs - HOUR_MS, { consistency: 'filesystem', heldMs: 3 });
}

/** `app/catalogue/item-0042.json`. */
export function catalogueName(file: number): string {
  return `app/catalogue/item-${String(file).padStart(4, '0')}.json`;
}

function special(point: number): Partial<SyncOutcome> {
  if (point === 30) return { healed: 'agent-state-lost', reconciled: true };
  if (point === 45) return { unreadable: ['app/log/locked.log'] };
  if (point % 7 === 0) return { consistency: 'filesystem', recipe: 'cgroup', heldMs: 6 };
  if (point % 11 === 0) return { consistency: 'crash', recipe: 'none', heldMs: 0 };
  return { heldMs: 20 + ((point * 13) % 90) };
}

function conf(version: number): string {
  const lines = Array.from({ length: 40 }, (_, line) => `option_${line} = ${line * 10}`);
  lines[3] = `listen = ${8000 + version}`;
  if (version > 20) lines.splice(20, 1, 'cache = on', `cache_size = ${version} MiB`);
  return `# version ${version}\n${lines.join('\n')}\n`;
}

function logLines(point: number, count: number): string {
  const lines = Array.from({ length: count }, (_, line) => `GET /item/${line * 7 + point} 200`);
  return `${lines.join('\n')}\n`;
}

/** Bytes that do not compress, the same for the same salt. */
function noise(length: number, salt: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (salt + 1) * 2_654_435_761;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** A picture: a ring on a slope of colours. */
export function png(width: number, height: number): Buffer {
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const far = Math.hypot(x - width / 2, y - height / 2);
      const ring = far > 16 && far < 24;
      const at = y * (1 + width * 3) + 1 + x * 3;
      rows[at] = ring ? 255 : (x * 255) / width;
      rows[at + 1] = ring ? 255 : 90;
      rows[at + 2] = ring ? 255 : (y * 255) / height;
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', head),
    chunk('IDAT', zlib.deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, body: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), body]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, crc]);
}

function crc32(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}
