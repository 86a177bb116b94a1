/**
 * Where the operator is: a path and a query behind `#`, so that every state worth returning to is a
 * link, works from any server path, and file names stay out of requests and their logs.
 */
import { signal } from '@preact/signals';

export interface Place {
  /** Encoded, begins with `/`. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Arrays come repeatedly: `query.getAll(name)` reads them. */
export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;
export type Params = Readonly<Record<string, string>>;

/** Changes with the address; components that read it are rendered again. */
export const place = signal<Place>(readPlace());

window.addEventListener('hashchange', () => {
  place.value = readPlace();
});

function readPlace(): Place {
  const [path, query] = split(window.location.hash.slice(1), '?');
  return { path: path.startsWith('/') ? path : `/${path}`, query: new URLSearchParams(query) };
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** A path whose values are encoded: at`/sets/${set}/points/${point}`. */
export function at(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return texts.reduce(
    (path, text, index) =>
      path + text + (index < values.length ? encodeURIComponent(String(values[index])) : ''),
    '',
  );
}

/** The link to a path made with `at`. Values that are undefined are left out. */
export function href(path: string, query: Query = {}): string {
  const text = queryText(query);
  return `#${path}${text === '' ? '' : `?${text}`}`;
}

/** The link to where we are, with some values of the query changed; undefined takes one out. */
export function hrefHere(changes: Query): string {
  const { path, query } = place.value;
  const kept: Record<string, readonly string[]> = {};
  for (const name of query.keys()) kept[name] = query.getAll(name);
  return href(path, { ...kept, ...changes });
}

/** Goes to a link made with `href`. `replace` leaves no step to go back to. */
export function go(link: string, step: 'push' | 'replace' = 'push'): void {
  if (link === window.location.hash) return;
  if (step === 'push') window.location.hash = link;
  else {
    window.history.replaceState(null, '', link);
    place.value = readPlace();
  }
}

/** The parameters of `path` if it is one of `pattern` (`/sets/:set`); decoded. */
export function matchPath(pattern: string, path: string): Params | undefined {
  const wanted = pattern.split('/');
  const given = path.replace(/(.)\/$/, '$1').split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? '';
    if (!part.startsWith(':')) {
      if (part !== value) return undefined;
      continue;
    }
    const decoded = decodedOf(value);
    if (decoded === undefined || decoded === '') return undefined;
    params[part.slice(1)] = decoded;
  }
  return params;
}

/** Undefined for text that was never encoded by `at`. */
function decodedOf(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function queryText(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === '') continue;
    for (const one of typeof value === 'object' ? value : [value]) search.append(name, String(one));
  }
  return search.toString();
}
