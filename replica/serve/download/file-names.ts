/** Names of downloads as HTTP headers carry them (RFC 6266, RFC 8187). */
import { toPathText } from '../../../shared/path-text.js';

/** `attachment`, with a name that every client reads and the true one beside it. */
export function contentDisposition(how: 'attachment' | 'inline', name: Buffer): string {
  const text = toPathText(name);
  const plain = text.replaceAll(/[^A-Za-z0-9 ._+@=-]/g, '_');
  const fallback = plain === '' || /^\.+$/.test(plain) ? 'download' : plain;
  const base = `${how}; filename="${fallback}"`;
  return fallback === text ? base : `${base}; filename*=UTF-8''${encodeExtended(text)}`;
}

/** attr-char of RFC 8187 stays as it is. */
function encodeExtended(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      if (/[A-Za-z0-9!#$&+.^_`|~-]/.test(char)) return char;
      return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
