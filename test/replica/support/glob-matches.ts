/** A small glob for the memory set: `*`, `?` and `**`; without a slash it matches the last name. */
export function globMatches(glob: string, path: Buffer): boolean {
  const text = path.toString('latin1');
  const subject = glob.includes('/') ? text : text.slice(text.lastIndexOf('/') + 1);
  const pattern = glob
    .replace(/[.+^${}()|\\[\]]/g, '\\$&')
    .replace(/\*\*|\*|\?/g, (word) => (word === '**' ? '.*' : word === '*' ? '[^/]*' : '[^/]'));
  return new RegExp(`^${pattern}$`).test(subject);
}
