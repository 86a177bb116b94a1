/** The little XML that WebDAV needs: what a client asks for, and text that is safe inside elements. */
import { AfterimageError } from '../../../shared/errors.js';

export const DAV_NAMESPACE = 'DAV:';
const PROPERTIES_MAX = 200;

export interface PropertyName {
  readonly namespace: string;
  readonly name: string;
}

export type PropfindAsked =
  | { readonly type: 'all' }
  | { readonly type: 'names' }
  | { readonly type: 'some'; readonly properties: readonly PropertyName[] };

/** Text inside an element; characters that XML cannot carry become U+FFFD. */
export function escapeXml(text: string): string {
  return (
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      // eslint-disable-next-line no-control-regex -- they are what XML cannot carry
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
  );
}

/** Throws `argument-invalid` for what is no PROPFIND. */
export function parsePropfind(body: string): PropfindAsked {
  if (body.trim() === '') return { type: 'all' };
  const elements = elementsOf(body);
  const [root, ...inner] = elements;
  if (root?.depth !== 0 || !isDav(root, 'propfind')) throw malformed('it is no propfind');
  const asked = inner.filter(({ depth }) => depth === 1);
  if (asked.some((element) => isDav(element, 'propname'))) return { type: 'names' };
  if (!asked.some((element) => isDav(element, 'prop'))) return { type: 'all' };
  const properties = inner.filter(({ depth, isInProp }) => depth === 2 && isInProp);
  if (properties.length > PROPERTIES_MAX) throw malformed('it asks for too many properties');
  return { type: 'some', properties };
}

/** Each level may keep its own namespaces; clients have three levels. */
const DEPTH_MAX = 16;

interface Element extends PropertyName {
  readonly depth: number;
  /** Directly below `prop`. */
  readonly isInProp: boolean;
}

interface Open {
  readonly tag: string;
  readonly isProp: boolean;
  /** Namespaces by prefix. */
  readonly names: ReadonlyMap<string, string>;
}

function isDav({ namespace, name }: PropertyName, expected: string): boolean {
  return namespace === DAV_NAMESPACE && name === expected;
}

const pattern =
  /<\?[^>]*\?>|<!--(?:(?!-->)[^])*-->|<!\[CDATA\[(?:(?!\]\]>)[^])*\]\]>|<(\/?)([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;

/** Elements in their order. There are no entities to expand: document types are refused. */
function elementsOf(body: string): Element[] {
  const elements: Element[] = [];
  const open: Open[] = [];
  for (let at = body.indexOf('<'); at >= 0; at = body.indexOf('<', pattern.lastIndex)) {
    pattern.lastIndex = at;
    const match = pattern.exec(body);
    if (match === null) throw malformed('it is not understood');
    const [, closing, tag, attributes = '', empty] = match;
    if (tag === undefined) continue;
    if (closing === '/') {
      if (open.pop()?.tag !== tag) throw malformed(`${tag} ends what does not begin`);
      continue;
    }
    if (open.length >= DEPTH_MAX) throw malformed('it is too deep');
    const above = open.at(-1);
    const names = namespacesOf(attributes, above?.names ?? new Map<string, string>());
    const element = { ...nameOf(tag, names), depth: open.length, isInProp: above?.isProp === true };
    elements.push(element);
    if (empty === '')
      open.push({ tag, names, isProp: open.length === 1 && isDav(element, 'prop') });
  }
  if (open.length > 0) throw malformed('it ends early');
  return elements;
}

function namespacesOf(
  attributes: string,
  above: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const declared = [...attributes.matchAll(/xmlns(?::([\w.-]+))?\s*=\s*(?:"([^"]*)"|'([^']*)')/g)];
  if (declared.length === 0) return above;
  const names = new Map(above);
  for (const [, prefix = '', double, single] of declared) names.set(prefix, double ?? single ?? '');
  return names;
}

function nameOf(tag: string, names: ReadonlyMap<string, string>): PropertyName {
  const colon = tag.indexOf(':');
  const namespace = names.get(colon < 0 ? '' : tag.slice(0, colon));
  if (namespace === undefined && colon >= 0) throw malformed(`${tag} has an unknown prefix`);
  return { namespace: namespace ?? '', name: tag.slice(colon + 1) };
}

function malformed(why: string): AfterimageError {
  return new AfterimageError('argument-invalid', `the body of PROPFIND: ${why}`);
}
