/**
 * Names are bytes; people and JSON need text. This is the lossless text form of a name or path:
 * valid UTF-8 stays as it is, except that a backslash becomes `\\` and control characters and
 * bytes that are not UTF-8 become `\xHH`. Every byte string has exactly one such form, and
 * `parsePathText` gives the bytes back.
 */
import { AfterimageError } from './errors.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function toPathText(bytes: Uint8Array): string {
  let whole: string | undefined;
  try {
    whole = utf8.decode(bytes);
  } catch {
    whole = undefined;
  }
  if (whole !== undefined) return escapeControls(whole);
  let out = '';
  let index = 0;
  while (index < bytes.length) {
    const width = sequenceWidth(bytes, index);
    if (width === 0) {
      out += hex(bytes[index] ?? 0);
      index += 1;
    } else {
      out += escapeControls(utf8.decode(bytes.subarray(index, index + width)));
      index += width;
    }
  }
  return out;
}

export function parsePathText(text: string): Buffer {
  if (!text.includes('\\')) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  const pattern = /\\(\\|x([0-9a-fA-F]{2}))/y;
  let index = 0;
  while (index < text.length) {
    const slash = text.indexOf('\\', index);
    if (slash < 0) {
      parts.push(Buffer.from(text.slice(index), 'utf8'));
      break;
    }
    parts.push(Buffer.from(text.slice(index, slash), 'utf8'));
    pattern.lastIndex = slash;
    const match = pattern.exec(text);
    if (match === null) {
      throw new AfterimageError(
        'argument-invalid',
        `path ${JSON.stringify(text)}: a backslash must be followed by another or by xHH`,
      );
    }
    parts.push(match[2] === undefined ? Buffer.from('\\') : Buffer.from([parseInt(match[2], 16)]));
    index = pattern.lastIndex;
  }
  return Buffer.concat(parts);
}

function escapeControls(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\\\u0000-\u001f\u007f]/g, (char) =>
    char === '\\' ? '\\\\' : hex(char.charCodeAt(0)),
  );
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** Bytes of the valid UTF-8 sequence at `index`, or 0. */
function sequenceWidth(bytes: Uint8Array, index: number): number {
  for (let width = 1; width <= 4 && index + width <= bytes.length; width += 1) {
    try {
      utf8.decode(bytes.subarray(index, index + width));
      return width;
    } catch {
      continue;
    }
  }
  return 0;
}
