/**
 * What a file is by its first bytes, for what a browser may show: a few kinds of images, and text. What
 * its name says counts for nothing, and markup is text.
 */
import { isUtf8 } from 'node:buffer';
import type { PreviewType } from '../../../shared/api/download.js';

/** First bytes that are looked at. */
export const LOOK_BYTES = 4096;

export interface Preview {
  readonly type: PreviewType;
  /** As a Content-Type header says it. */
  readonly contentType: string;
}

/** Undefined for what is not shown. `isWhole`: `first` is all of the file. */
export function previewOf(
  first: Buffer,
  { isWhole }: { readonly isWhole: boolean },
): Preview | undefined {
  const image = imageType(first);
  if (image !== undefined) return { type: image, contentType: image };
  if (first.some((byte) => isControl(byte))) return undefined;
  const text = isWhole ? first : withoutCutCharacter(first);
  const charset = isUtf8(text) ? 'utf-8' : 'iso-8859-1';
  return { type: 'text/plain', contentType: `text/plain; charset=${charset}` };
}

function imageType(first: Buffer): PreviewType | undefined {
  const at = (offset: number, text: string): boolean =>
    first.toString('latin1', offset, offset + text.length) === text;
  if (at(0, '\x89PNG\r\n\x1a\n')) return 'image/png';
  if (at(0, '\xff\xd8\xff')) return 'image/jpeg';
  if (at(0, 'GIF87a') || at(0, 'GIF89a')) return 'image/gif';
  if (at(0, 'RIFF') && at(8, 'WEBP')) return 'image/webp';
  if (at(4, 'ftypavif') || at(4, 'ftypavis')) return 'image/avif';
  return undefined;
}

/** Bytes that no text has; tab, line ends, form feed and escape are text. */
function isControl(byte: number): boolean {
  if (byte === 0x7f) return true;
  return byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d) && byte !== 0x1b;
}

/** A character of UTF-8 that goes on behind the end is not there. */
function withoutCutCharacter(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return back < length ? bytes.subarray(0, bytes.length - back) : bytes;
    }
  }
  return bytes;
}
