/**
 * Reads the machine's own package sources, so that a newer broker comes from the mirror and under
 * the signature check that its administrator already trusts.
 */

export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Path of the keyring, when the entry names one. */
  readonly signedBy: string | null;
}

/** Entries of a one-line (`.list`) file. */
export function parseListFile(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line.trim());
    if (match === null) continue;
    const [, options = '', uri = '', suite = '', components = ''] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1] ?? null;
    sources.push({ uri, suites: [suite], components: components.trim().split(/\s+/), signedBy });
  }
  return sources;
}

/** Entries of a deb822 (`.sources`) file. */
export function parseSourcesFile(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const stanza of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    for (const line of stanza.split('\n')) {
      const match = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
      if (match !== null) fields.set((match[1] ?? '').toLowerCase(), (match[2] ?? '').trim());
    }
    const words = (name: string): string[] =>
      (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
    if (!words('types').includes('deb') || fields.get('enabled') === 'no') continue;
    const signedBy = fields.get('signed-by') ?? '';
    for (const uri of words('uris')) {
      sources.push({
        uri,
        suites: words('suites'),
        components: words('components'),
        signedBy: signedBy.startsWith('/') ? signedBy : null,
      });
    }
  }
  return sources;
}

/**
 * One-line sources for another suite of the archive that the machine's own release comes from;
 * null when it names none.
 */
export function sourceForSuite(
  sources: readonly AptSource[],
  options: { readonly codename: string; readonly suite: string },
): string | null {
  const own = sources.find(
    (source) => source.suites.includes(options.codename) && source.components.includes('main'),
  );
  if (own === undefined) return null;
  const signed = own.signedBy === null ? '' : `[signed-by=${own.signedBy}] `;
  return `deb ${signed}${own.uri} ${options.suite} main\n`;
}
