/** Properties of what WebDAV shows, and how an answer says them. */
import { toPathText } from '../../../shared/path-text.js';
import type { NodeVersion } from '../../history/set-reader.js';
import { encodeHref } from './dav-path.js';
import { DAV_NAMESPACE, escapeXml, type PropertyName, type PropfindAsked } from './dav-xml.js';

export interface DavEntry {
  readonly components: readonly Buffer[];
  readonly kind: 'folder' | 'file';
  readonly timeMs: number;
  /** Of a file. */
  readonly size: number;
  readonly etag: string | undefined;
}

export function nodeEntry(
  set: string,
  components: readonly Buffer[],
  version: NodeVersion,
): DavEntry | undefined {
  const { kind, size } = version;
  if (kind !== 'file' && kind !== 'folder') return undefined;
  const timeMs = timeMsOf(version);
  const etag = kind === 'file' ? etagOf(set, version) : undefined;
  return { components, kind, timeMs, size, etag };
}

export function timeMsOf({ mtimeNs }: NodeVersion): number {
  return Number(mtimeNs / 1_000_000n);
}

/** A node that was exactly this since that point: what it is never changes. */
export function etagOf(set: string, { node, born }: NodeVersion): string {
  return `"${Buffer.from(set).toString('base64url')}-${node}-${born}"`;
}

/** HTTP's form of a time; 1970 and 9999 for times beyond. */
export function httpDate(timeMs: number): string {
  const bounded = Math.min(Math.max(timeMs, 0), Date.UTC(9999, 11, 31));
  return new Date(bounded).toUTCString();
}

type Say = (entry: DavEntry) => string | undefined;

/** Undefined for what an entry does not have. */
const properties = new Map<string, Say>([
  ['resourcetype', ({ kind }) => (kind === 'folder' ? '<D:collection/>' : '')],
  ['displayname', ({ components }) => escapeXml(toPathText(components.at(-1) ?? Buffer.from('')))],
  ['getlastmodified', ({ timeMs }) => httpDate(timeMs)],
  ['getcontentlength', ({ kind, size }) => (kind === 'file' ? String(size) : undefined)],
  ['getcontenttype', ({ kind }) => (kind === 'file' ? 'application/octet-stream' : undefined)],
  ['getetag', ({ etag }) => (etag === undefined ? undefined : escapeXml(etag))],
  ['supportedlock', () => ''],
]);

/** The `response` element of one entry. */
export function responseXml(entry: DavEntry, asked: PropfindAsked): string {
  const href = escapeXml(encodeHref(entry.components, entry.kind));
  const found: string[] = [];
  const missing: string[] = [];
  if (asked.type === 'some') {
    for (const name of asked.properties) {
      const value =
        name.namespace === DAV_NAMESPACE ? properties.get(name.name)?.(entry) : undefined;
      if (value === undefined) missing.push(emptyXml(name));
      else found.push(elementXml(name.name, value));
    }
  } else {
    for (const [name, say] of properties) {
      const value = say(entry);
      if (value !== undefined) found.push(elementXml(name, asked.type === 'all' ? value : ''));
    }
  }
  const parts = [
    ...(found.length > 0 || missing.length === 0 ? [propstat(found, '200 OK')] : []),
    ...(missing.length > 0 ? [propstat(missing, '404 Not Found')] : []),
  ];
  return `<D:response><D:href>${href}</D:href>${parts.join('')}</D:response>\n`;
}

function propstat(elements: readonly string[], status: string): string {
  return `<D:propstat><D:prop>${elements.join('')}</D:prop><D:status>HTTP/1.1 ${status}</D:status></D:propstat>`;
}

function elementXml(name: string, value: string): string {
  return value === '' ? `<D:${name}/>` : `<D:${name}>${value}</D:${name}>`;
}

function emptyXml({ namespace, name }: PropertyName): string {
  if (namespace === DAV_NAMESPACE) return `<D:${name}/>`;
  return namespace === ''
    ? `<${name} xmlns=""/>`
    : `<x:${name} xmlns:x="${escapeXml(namespace)}"/>`;
}
