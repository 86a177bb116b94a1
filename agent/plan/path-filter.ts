/**
 * Which paths of a set are protected: `exclude` takes away, `include` (when given) names the only
 * files that are taken; both in gitignore's syntax, relative to the root. Folders are always walked
 * unless excluded.
 */
import { createHash } from 'node:crypto';
import ignore, { type Ignore } from 'ignore';

/** `ignore` remembers every path it judged: a new judge after so many keeps memory bounded. */
const JUDGED_MAX = 20_000;

export interface PathPatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

export class PathFilter {
  readonly #patterns: PathPatterns;
  #include: Ignore | undefined;
  #exclude: Ignore | undefined;
  #judged = 0;

  constructor(patterns: PathPatterns) {
    this.#patterns = patterns;
    this.#renew();
  }

  /** False when every path passes, so that callers need not make one. */
  get active(): boolean {
    return this.#include !== undefined || this.#exclude !== undefined;
  }

  /** Changes when the patterns do: what was skipped must then be looked at. */
  get digest(): Buffer {
    const { include, exclude } = this.#patterns;
    return createHash('sha256').update(JSON.stringify({ include, exclude })).digest();
  }

  /** `path` as `<root>/<path>`; its root is not judged. */
  takes(path: Buffer, kind: { readonly folder: boolean }): boolean {
    const slash = path.indexOf(0x2f);
    if (!this.active || slash < 0) return true;
    if (++this.#judged > JUDGED_MAX) this.#renew();
    const text = path.toString('utf8', slash + 1);
    const judged = kind.folder ? `${text}/` : text;
    if (this.#exclude?.ignores(judged) === true) return false;
    return kind.folder || this.#include === undefined || this.#include.ignores(judged);
  }

  #renew(): void {
    this.#judged = 0;
    this.#include = judge(this.#patterns.include);
    this.#exclude = judge(this.#patterns.exclude);
  }
}

function judge(patterns: readonly string[]): Ignore | undefined {
  if (patterns.length === 0) return undefined;
  return ignore({ allowRelativePaths: true }).add([...patterns]);
}
