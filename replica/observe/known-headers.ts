/**
 * What the first bytes of a file say that it is: files that are not text are told from encrypted ones
 * by them. Only what tells by itself is here; text needs no header.
 */

/**
 * `media` and `document` have a reader for their kind; `archive` is compressed and may stand for what
 * was put into it; `sealed` is encrypted and says so.
 */
export type HeaderFamily = 'media' | 'document' | 'archive' | 'database' | 'program' | 'sealed';

export interface KnownHeader {
  readonly name: string;
  readonly family: HeaderFamily;
}

interface Pattern extends KnownHeader {
  readonly offset: number;
  readonly bytes: Buffer;
}

function pattern(family: HeaderFamily, name: string, bytes: string, offset = 0): Pattern {
  return { family, name, offset, bytes: Buffer.from(bytes, 'latin1') };
}

const patterns: readonly Pattern[] = [
  pattern('archive', 'gzip', '\x1f\x8b\x08'),
  pattern('archive', 'zip', 'PK\x03\x04'),
  pattern('archive', 'zip', 'PK\x05\x06'),
  pattern('archive', 'zstd', '\x28\xb5\x2f\xfd'),
  pattern('archive', 'xz', '\xfd7zXZ\x00'),
  pattern('archive', 'bzip2', 'BZh'),
  pattern('archive', 'lz4', '\x04\x22\x4d\x18'),
  pattern('archive', '7z', "7z\xbc\xaf'\x1c"),
  pattern('archive', 'rar', 'Rar!\x1a\x07'),
  pattern('archive', 'lzip', 'LZIP'),
  pattern('archive', 'snappy', '\xff\x06\x00\x00sNaPpY'),
  pattern('archive', 'git pack', 'PACK\x00\x00\x00'),
  pattern('archive', 'cabinet', 'MSCF\x00\x00\x00\x00'),
  pattern('archive', 'deb', '!<arch>\n'),
  pattern('archive', 'rpm', '\xed\xab\xee\xdb'),
  pattern('archive', 'squashfs', 'hsqs'),
  pattern('archive', 'tar', 'ustar', 257),
  pattern('media', 'jpeg', '\xff\xd8\xff'),
  pattern('media', 'png', '\x89PNG\r\n\x1a\n'),
  pattern('media', 'gif', 'GIF8'),
  pattern('media', 'riff', 'RIFF'),
  pattern('media', 'iso media', 'ftyp', 4),
  pattern('media', 'ogg', 'OggS'),
  pattern('media', 'flac', 'fLaC'),
  pattern('media', 'mp3', 'ID3'),
  pattern('media', 'matroska', '\x1a\x45\xdf\xa3'),
  pattern('media', 'tiff', 'II*\x00'),
  pattern('media', 'tiff', 'MM\x00*'),
  pattern('media', 'font', 'wOFF'),
  pattern('media', 'font', 'wOF2'),
  pattern('media', 'photoshop', '8BPS'),
  pattern('document', 'pdf', '%PDF-'),
  pattern('document', 'office', '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'),
  pattern('document', 'rich text', '{\\rtf'),
  pattern('database', 'sqlite', 'SQLite format 3\x00'),
  pattern('database', 'redis', 'REDIS0'),
  pattern('database', 'postgresql dump', 'PGDMP'),
  pattern('database', 'parquet', 'PAR1'),
  pattern('database', 'hdf5', '\x89HDF\r\n\x1a\n'),
  pattern('database', 'lmdb', '\xde\xc0\xef\xbe', 16),
  pattern('program', 'elf', '\x7fELF'),
  pattern('program', 'wasm', '\x00asm'),
  pattern('program', 'class', '\xca\xfe\xba\xbe'),
  pattern('program', 'python', '\r\r\n', 1),
  pattern('program', 'git index', 'DIRC\x00\x00\x00'),
  pattern('program', 'llvm', 'BC\xc0\xde'),
  pattern('sealed', 'openssl', 'Salted__'),
  pattern('sealed', 'age', 'age-encryption.org/'),
  pattern('sealed', 'luks', 'LUKS\xba\xbe'),
  pattern('sealed', 'ansible vault', '$ANSIBLE_VAULT'),
  pattern('sealed', 'pgp', '-----BEGIN PGP MESSAGE'),
];

/** A repository that encrypts its own files when it is locked: no harm, by its owner's will. */
const lockedByOwner = Buffer.from('\x00GITCRYPT\x00', 'latin1');

/** What a file is by its first bytes (some 300 are enough); undefined when they do not tell. */
export function knownHeader(bytes: Uint8Array): KnownHeader | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 512));
  if (head.subarray(0, lockedByOwner.length).equals(lockedByOwner)) {
    return { name: 'git-crypt', family: 'archive' };
  }
  const found = patterns.find(
    ({ offset, bytes: wanted }) =>
      head.length >= offset + wanted.length &&
      wanted.equals(head.subarray(offset, offset + wanted.length)),
  );
  if (found !== undefined) return found;
  return isZlib(head) ? { name: 'zlib', family: 'archive' } : undefined;
}

/** Two bytes that are a multiple of 31 (RFC 1950), of the window that everybody uses. */
function isZlib(head: Buffer): boolean {
  const [method, flags] = [head[0], head[1]];
  if (method !== 0x78 || flags === undefined) return false;
  return ((method << 8) | flags) % 31 === 0 && (flags & 0x20) === 0;
}
