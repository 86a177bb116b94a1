/** Paths from a set's root: bytes, components joined by `/`, no leading slash; '' is the set itself. */

const slash = Buffer.from('/');

/** `parent/name`; a parent of '' is the set itself. */
export function joinPath(parent: Buffer, name: Buffer): Buffer {
  return parent.length === 0 ? name : Buffer.concat([parent, slash, name]);
}

/** Components of a path; none for ''. */
export function splitPath(path: Buffer): Buffer[] {
  const names: Buffer[] = [];
  let start = 0;
  while (start < path.length) {
    const end = path.indexOf(0x2f, start);
    names.push(path.subarray(start, end < 0 ? path.length : end));
    if (end < 0) break;
    start = end + 1;
  }
  return names;
}

/** A path without empty components, as operators type it (`/a//b/` is `a/b`). */
export function cleanPath(path: Buffer): Buffer {
  return splitPath(path)
    .filter((name) => name.length > 0)
    .reduce((joined, name) => joinPath(joined, name), Buffer.alloc(0));
}
