/** Globs over path text: `*`, `?`, `[…]` within a component, `**` across components. */

/** The glob as an anchored regular expression. */
export function globToRegExp(glob: string): RegExp {
  let out = '';
  for (let at = 0; at < glob.length; at += 1) {
    const char = glob.charAt(at);
    if (char === '*') {
      if (glob.startsWith('**/', at)) {
        out += '(?:.*/)?';
        at += 2;
      } else if (glob.startsWith('**', at)) {
        out += '.*';
        at += 1;
      } else out += '[^/]*';
    } else if (char === '?') out += '[^/]';
    else if (char === '[') {
      const end = glob.indexOf(']', at + 2);
      if (end < 0) out += '\\[';
      else {
        out += classOf(glob.slice(at + 1, end));
        at = end;
      }
    } else out += escapeLiteral(char);
  }
  return new RegExp(`^${out}$`, 'su');
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
