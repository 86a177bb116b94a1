/**
 * Headers of tar files: ustar (POSIX.1-1988) where a value fits, and a PAX extended header (POSIX.1-2001)
 * before it where one does not. Names are bytes and stay so: one that is not UTF-8 is in the ustar header
 * as it is, or, where it is too long, in an extended one with `hdrcharset=BINARY`. Attributes are in SCHILY.xattr records, as GNU tar and libarchive read them.
 */
import { isUtf8 } from 'node:buffer';
import type { NodeKind } from '../../../shared/protocol/records.js';
import type { NodeVersion } from '../../history/set-reader.js';

export const TAR_BLOCK_BYTES = 512;

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
/** What 7 and 11 octal digits hold. */
const SMALL_MAX = 0o7777777;
const LARGE_MAX = 0o77777777777;
const NS_PER_S = 1_000_000_000n;

const typeFlags: Record<NodeKind, string> = {
  file: '0',
  symlink: '2',
  char: '3',
  block: '4',
  folder: '5',
  fifo: '6',
  socket: '',
};

export interface TarEntry {
  readonly path: Buffer;
  readonly version: NodeVersion;
  readonly linkTo: Buffer | undefined;
}

/** Whether tar has a kind of entry for it: it has none for sockets. */
export function fitsTar({ kind }: NodeVersion): boolean {
  return typeFlags[kind] !== '';
}

/** All headers that come before an entry's content. */
export function tarHeader({ path, version, linkTo }: TarEntry): Buffer {
  const { kind, mode, uid, gid, mtimeNs, rdev } = version;
  const name = kind === 'folder' ? Buffer.concat([path, Buffer.from('/')]) : path;
  const target = linkTo ?? (kind === 'symlink' ? version.target : Buffer.alloc(0));
  const size = kind === 'file' && linkTo === undefined ? version.size : 0;
  const records: Buffer[] = [];
  const pax = (key: string, value: Buffer | string): void => {
    records.push(paxRecord(Buffer.from(key), Buffer.from(value)));
  };
  const split = splitName(name);
  const paxName = split === undefined || isBeyondAscii(name);
  const paxTarget = target.length > NAME_BYTES || isBeyondAscii(target);
  if ((paxName && !isUtf8(name)) || (paxTarget && !isUtf8(target))) pax('hdrcharset', 'BINARY');
  if (paxName) pax('path', name);
  if (paxTarget) pax('linkpath', target);
  if (size > LARGE_MAX) pax('size', String(size));
  if (uid > SMALL_MAX) pax('uid', String(uid));
  if (gid > SMALL_MAX) pax('gid', String(gid));
  const seconds = floorSeconds(mtimeNs);
  if (mtimeNs !== seconds * NS_PER_S || seconds < 0n || seconds > BigInt(LARGE_MAX)) {
    pax('mtime', paxTime(mtimeNs));
  }
  if (linkTo === undefined) {
    for (const { name: attribute, value } of version.xattrs) {
      const key = Buffer.concat([Buffer.from('SCHILY.xattr.'), attribute]);
      records.push(paxRecord(key, value));
    }
  }
  const { major, minor } = deviceOf(rdev);
  const isDevice = linkTo === undefined && (kind === 'char' || kind === 'block');
  const header = ustar({
    name: split?.name ?? name.subarray(0, NAME_BYTES),
    prefix: split?.prefix ?? Buffer.alloc(0),
    mode: mode & 0o7777,
    uid: uid > SMALL_MAX ? 0 : uid,
    gid: gid > SMALL_MAX ? 0 : gid,
    size: size > LARGE_MAX ? 0 : size,
    mtime: Number(clampSeconds(seconds)),
    type: linkTo === undefined ? typeFlags[kind] : '1',
    target: target.subarray(0, NAME_BYTES),
    major: isDevice ? major : 0,
    minor: isDevice ? minor : 0,
  });
  if (records.length === 0) return header;
  const extended = Buffer.concat(records);
  const before = ustar({
    name: Buffer.from('@PaxHeader'),
    prefix: Buffer.alloc(0),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: extended.length,
    mtime: 0,
    type: 'x',
    target: Buffer.alloc(0),
    major: 0,
    minor: 0,
  });
  return Buffer.concat([before, extended, tarPadding(extended.length), header]);
}

/** Zeros up to the next block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
}

/** Two empty blocks end an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * TAR_BLOCK_BYTES);
}

interface UstarFields {
  readonly name: Buffer;
  readonly prefix: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly type: string;
  readonly target: Buffer;
  readonly major: number;
  readonly minor: number;
}

function ustar(fields: UstarFields): Buffer {
  const header = Buffer.alloc(TAR_BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number): void => {
    header.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  header.set(fields.name, 0);
  octal(fields.mode, 100, 7);
  octal(fields.uid, 108, 7);
  octal(fields.gid, 116, 7);
  octal(fields.size, 124, 11);
  octal(fields.mtime, 136, 11);
  header.fill(' ', 148, 156);
  header.write(fields.type, 156, 'latin1');
  header.set(fields.target, 157);
  header.write('ustar\x0000', 257, 'latin1');
  octal(fields.major, 329, 7);
  octal(fields.minor, 337, 7);
  header.set(fields.prefix, 345);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** Undefined when the name fits neither alone nor cut at a slash. */
function splitName(name: Buffer): { readonly name: Buffer; readonly prefix: Buffer } | undefined {
  if (name.length <= NAME_BYTES) return { name, prefix: Buffer.alloc(0) };
  // The slash is in neither part, and the rest must not be empty.
  for (let at = name.length - 2; at > 0; at -= 1) {
    if (name[at] !== 0x2f || at > PREFIX_BYTES) continue;
    if (name.length - at - 1 > NAME_BYTES) return undefined;
    return { name: name.subarray(at + 1), prefix: name.subarray(0, at) };
  }
  return undefined;
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxRecord(key: Buffer, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.concat([
    Buffer.from(`${length} `),
    key,
    Buffer.from('='),
    value,
    Buffer.from('\n'),
  ]);
}

function paxTime(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const size = ns < 0n ? -ns : ns;
  const fraction = (size % NS_PER_S).toString().padStart(9, '0').replace(/0+$/, '');
  return `${sign}${size / NS_PER_S}${fraction === '' ? '' : `.${fraction}`}`;
}

function floorSeconds(ns: bigint): bigint {
  const seconds = ns / NS_PER_S;
  return ns < 0n && seconds * NS_PER_S !== ns ? seconds - 1n : seconds;
}

function clampSeconds(seconds: bigint): bigint {
  if (seconds < 0n) return 0n;
  return seconds > BigInt(LARGE_MAX) ? BigInt(LARGE_MAX) : seconds;
}

/** As Linux packs them (gnu_dev_makedev), up to 32 bits and beyond. */
function deviceOf(rdev: number): { readonly major: number; readonly minor: number } {
  const device = BigInt(rdev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return { major: Number(major) & SMALL_MAX, minor: Number(minor) & SMALL_MAX };
}

/** Text that readers have to be told is UTF-8. */
function isBeyondAscii(bytes: Buffer): boolean {
  return isUtf8(bytes) && bytes.some((byte) => byte >= 0x80);
}
