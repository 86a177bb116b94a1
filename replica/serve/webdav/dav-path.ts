/**
 * Addresses below /dav/: `/dav/SET/POINT/path`, percent-encoded. Names are bytes and need not be text,
 * so the address is taken apart here and not by the router, which would refuse what is no UTF-8.
 */
import type { IncomingMessage } from 'node:http';
import { AfterimageError } from '../../../shared/errors.js';

export const DAV_ROOT = '/dav';
const SLASH = 0x2f;

/** What the router sees: one address for all of WebDAV. */
export function rewriteDav({ url = '/' }: Pick<IncomingMessage, 'url'>): string {
  return /^\/dav(?:[/?]|$)/.test(url) ? DAV_ROOT : url;
}

/** Components below /dav/. Throws `argument-invalid` for what is no path. */
export function componentsOf(url: string): Buffer[] {
  const [path = ''] = url.slice(DAV_ROOT.length).split('?');
  const parts = path.split('/').filter((part) => part !== '');
  return parts.map(decodeComponent);
}

function decodeComponent(text: string): Buffer {
  const bytes = Buffer.from(
    Buffer.from(text, 'utf8')
      .toString('latin1')
      .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  );
  const word = bytes.toString('latin1');
  const isStray = word === '.' || word === '..' || bytes.includes(SLASH) || bytes.includes(0);
  if (!isStray) return bytes;
  throw new AfterimageError('argument-invalid', `${JSON.stringify(text)} is no name`);
}

/** `/dav/…` with every byte escaped that is not plainly allowed in a path. */
export function encodeHref(components: readonly Buffer[], kind: 'folder' | 'file'): string {
  const path = [DAV_ROOT, ...components.map(encodeComponent)].join('/');
  return kind === 'folder' ? `${path}/` : path;
}

function encodeComponent(name: Buffer): string {
  return name
    .toString('latin1')
    .replace(
      /[^A-Za-z0-9._~-]/g,
      (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
}
