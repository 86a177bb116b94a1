/**
 * Globs over path text: `*`, `?`, `[…]` within a component, `**` across components. Names are chosen by
 * agents and globs by whoever searches, so no pair of them may take more than time that grows with
 * their lengths: what a regular expression would try again and again is followed state by state.
 */
import { AfterimageError, messageOf } from '../../shared/errors.js';

export interface Glob {
  /** Whether the whole of `text` fits. */
  test(text: string): boolean;
}

/** With more stars, trying again costs more than following all ways at once. */
const STARS_TRIED_MAX = 2;

/** Throws `argument-invalid` for a class that is none, as `[z-a]`. */
export function compileGlob(glob: string): Glob {
  const parts = partsOf(glob);
  const stars = parts.filter(({ type }) => type === 'star').length;
  const across = parts.some(({ type }) => type === 'across' || type === 'folders');
  if (!across && stars <= STARS_TRIED_MAX) return expressionOf(glob, `^${sourceOf(parts)}$`);
  return new States(glob, parts);
}

type Part =
  /** One character: the source of an expression that fits it. */
  | { readonly type: 'one'; readonly source: string }
  /** Any characters within a component. */
  | { readonly type: 'star'; readonly source: string }
  /** Any characters. */
  | { readonly type: 'across'; readonly source: string }
  /** Whole components, each with its slash. */
  | { readonly type: 'folders'; readonly source: string };

function partsOf(glob: string): Part[] {
  const parts: Part[] = [];
  const chars = Array.from(glob);
  for (let at = 0; at < chars.length; at += 1) {
    const char = chars[at] ?? '';
    if (char === '*') {
      const doubled = chars[at + 1] === '*';
      if (doubled && chars[at + 2] === '/') parts.push({ type: 'folders', source: '(?:.*/)?' });
      else if (doubled) parts.push({ type: 'across', source: '.*' });
      else parts.push({ type: 'star', source: '[^/]*' });
      at += doubled ? (chars[at + 2] === '/' ? 2 : 1) : 0;
    } else if (char === '?') parts.push({ type: 'one', source: '[^/]' });
    else if (char === '[') {
      const end = chars.indexOf(']', at + 2);
      if (end < 0) parts.push({ type: 'one', source: '\\[' });
      else {
        parts.push({ type: 'one', source: classOf(chars.slice(at + 1, end).join('')) });
        at = end;
      }
    } else parts.push({ type: 'one', source: escapeLiteral(char) });
  }
  return parts;
}

function sourceOf(parts: readonly Part[]): string {
  return parts.map(({ source }) => source).join('');
}

function expressionOf(glob: string, source: string): RegExp {
  try {
    return new RegExp(source, 'su');
  } catch (cause) {
    const message = `glob ${JSON.stringify(glob)}: ${messageOf(cause)}`;
    throw new AfterimageError('argument-invalid', message, { cause });
  }
}

/** One place in the glob: what takes a character and goes on, or stays. */
interface State {
  /** Goes to the next state on a character that fits. */
  readonly takes?: (char: string) => boolean;
  /** Stays on a character that fits. */
  readonly stays?: (char: string) => boolean;
  /** Goes past the next state on a slash. */
  readonly leaps?: boolean;
  /** States that it reaches without a character. */
  readonly skips: number;
}

const anything = (): boolean => true;
const notSlash = (char: string): boolean => char !== '/';
const isSlash = (char: string): boolean => char === '/';

/** All ways through a glob at once: time grows with the glob times the text, whatever they are. */
class States implements Glob {
  readonly #states: State[] = [];

  constructor(glob: string, parts: readonly Part[]) {
    for (const { type, source } of parts) {
      if (type === 'one') {
        const fits = expressionOf(glob, `^${source}$`);
        this.#states.push({ takes: (char) => fits.test(char), skips: 0 });
      } else if (type === 'star') this.#states.push({ stays: notSlash, skips: 1 });
      else if (type === 'across') this.#states.push({ stays: anything, skips: 1 });
      else {
        // outside of any component, and inside of one
        this.#states.push({ takes: anything, leaps: true, skips: 2 });
        this.#states.push({ takes: isSlash, stays: anything, skips: 0 });
      }
    }
  }

  test(text: string): boolean {
    let now = this.#reached([0]);
    for (const char of text) {
      const next: number[] = [];
      for (const at of now) {
        const state = this.#states[at];
        if (state?.takes?.(char) === true) next.push(at + 1);
        if (state?.stays?.(char) === true) next.push(at);
        if (state?.leaps === true && char === '/') next.push(at + 2);
      }
      now = this.#reached(next);
      if (now.size === 0) return false;
    }
    return now.has(this.#states.length);
  }

  /** These states, and those that they reach without a character. */
  #reached(from: readonly number[]): Set<number> {
    const reached = new Set<number>();
    for (const start of from) {
      for (let at = start; !reached.has(at); at += this.#states[at]?.skips ?? 0) reached.add(at);
    }
    return reached;
  }
}

function classOf(body: string): string {
  const negated = body.startsWith('!') || body.startsWith('^');
  const members = (negated ? body.slice(1) : body).replace(/[\\\]^[]/g, '\\$&');
  return `[${negated ? '^/' : ''}${members}]`;
}

function escapeLiteral(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Longest stretch of the glob without wildcards, for looking names up. */
export function longestLiteral(glob: string): string {
  return glob
    .split(/\[[^\]]*\]|[*?]/)
    .reduce((longest, part) => (part.length > longest.length ? part : longest), '');
}
