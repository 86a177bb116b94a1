/**
 * What is searched for: a text that a name holds, whatever its case, or a glob; with a slash, a path.
 * Says how well a name fits. Pure.
 */
import type { SearchMatch } from '../../shared/api/search.js';
import { compileGlob, longestLiteral } from './glob.js';

export interface SearchText {
  /** Exactly this name, and names that begin with it, are looked up first; undefined for a glob. */
  readonly begin: string | undefined;
  /** Path of the folder that was typed before it, as it was typed; undefined without one. */
  readonly folder: string | undefined;
  /** Each is somewhere in the name, in lower case: those long enough go to the index of names. */
  readonly words: readonly string[];
  /** Undefined where the name does not fit. */
  readonly matchName: (name: string) => SearchMatch | undefined;
  /** Undefined where every path will do. */
  readonly fitsPath: ((path: string) => boolean) | undefined;
}

const wildcard = /[*?[]/;

/** Throws `argument-invalid` for a glob that is none. */
export function parseSearch(text: string): SearchText {
  return wildcard.test(text) ? globSearch(text) : plainSearch(text);
}

function globSearch(text: string): SearchText {
  const glob = text.toLowerCase();
  const last = glob.slice(glob.lastIndexOf('/') + 1);
  const ofName = compileGlob(last === '**' || last === '' ? '*' : last);
  const ofPath = glob.includes('/') ? compileGlob(glob.replace(/^\//, '')) : undefined;
  const literal = longestLiteral(last);
  return {
    begin: undefined,
    folder: undefined,
    words: literal === '' ? [] : [literal],
    matchName: (name) => (ofName.test(name.toLowerCase()) ? 'glob' : undefined),
    fitsPath: ofPath === undefined ? undefined : (path) => ofPath.test(path.toLowerCase()),
  };
}

function plainSearch(text: string): SearchText {
  const whole = text.trim().replace(/^\/+|\/+$/g, '');
  const path = whole.toLowerCase();
  const begin = whole.slice(whole.lastIndexOf('/') + 1);
  const lower = begin.toLowerCase();
  const words = lower.split(/\s+/).filter((word) => word !== '');
  return {
    begin,
    folder: whole.includes('/') ? whole.slice(0, whole.lastIndexOf('/')) : undefined,
    words,
    matchName: (name) => matchOf(name, { begin, lower, words }),
    fitsPath: path.includes('/') ? (at) => `/${at.toLowerCase()}`.includes(`/${path}`) : undefined,
  };
}

function matchOf(
  name: string,
  wanted: { readonly begin: string; readonly lower: string; readonly words: readonly string[] },
): SearchMatch | undefined {
  if (name === wanted.begin) return 'exact';
  const text = name.toLowerCase();
  if (text === wanted.lower) return 'exact';
  if (text.startsWith(wanted.lower)) return 'prefix';
  const at = text.indexOf(wanted.lower);
  if (at > 0) return /[^\p{L}\p{N}]/u.test(text.charAt(at - 1)) ? 'word' : 'part';
  return wanted.words.every((word) => text.includes(word)) ? 'part' : undefined;
}
