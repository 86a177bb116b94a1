/** Reads paths as operators type them: from the set's root, or the absolute path where it came from. */
import type { PointDetail } from '../shared/api/points.js';
import { AfterimageError } from '../shared/errors.js';
import { parsePathText } from '../shared/path-text.js';
import { cleanPath, joinPath } from '../shared/restore/set-path.js';

/** Throws `not-found` for an absolute path that lies in no root of the point. */
export function parseSetPath(text: string, point: PointDetail): Buffer {
  const bytes = parsePathText(text);
  if (bytes[0] !== 0x2f) return cleanPath(bytes);
  const path = cleanPath(bytes);
  for (const [root, original] of originalRoots(point)) {
    const from = cleanPath(original);
    const below = path.subarray(0, from.length).equals(from);
    if (path.length === from.length && below) return Buffer.from(root, 'latin1');
    if (below && (from.length === 0 || path[from.length] === 0x2f)) {
      const rest = path.subarray(from.length === 0 ? 0 : from.length + 1);
      return joinPath(Buffer.from(root, 'latin1'), rest);
    }
  }
  throw new AfterimageError('not-found', `${text} lies in no root of ${point.set}@${point.point}`, {
    facts: { set: point.set, point: point.point, path: text },
  });
}

/** Where each root came from; names as latin1, the longest path first. */
export function originalRoots(point: PointDetail): Map<string, Buffer> {
  const roots = Object.entries(point.outcome.source.roots)
    .map(([name, path]): [string, Buffer] => [
      parsePathText(name).toString('latin1'),
      parsePathText(path),
    ])
    .sort(([, a], [, b]) => b.length - a.length);
  return new Map(roots);
}
