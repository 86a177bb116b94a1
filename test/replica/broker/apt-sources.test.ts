import { describe, expect, test } from 'vitest';
import {
  parseListFile,
  parseSourcesFile,
  sourceForSuite,
} from '../../../replica/broker/apt-sources.js';

const deb822 = `Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`;

describe('package sources', () => {
  test('sources: the suite is replaced in the deb822 entry of the own release', () => {
    const source = sourceForSuite(parseSourcesFile(deb822), { codename: 'bookworm', suite: 'sid' });
    expect(source).toBe(
      'deb [signed-by=/usr/share/keyrings/archive.gpg] http://mirror.example/debian sid main\n',
    );
  });

  test('sources: a one-line entry with options is read, comments and deb-src are not', () => {
    const sources = parseListFile(
      [
        '# deb http://no.example/debian bookworm main',
        'deb-src http://no.example/debian bookworm main',
        'deb [arch=amd64 signed-by=/k.gpg] http://yes.example/debian bookworm main contrib # x',
      ].join('\n'),
    );
    expect(sources).toEqual([
      {
        uri: 'http://yes.example/debian',
        suites: ['bookworm'],
        components: ['main', 'contrib'],
        signedBy: '/k.gpg',
      },
    ]);
  });

  test('sources: an entry without keyring keeps the default check, a disabled one is left', () => {
    const text = `Enabled: no\n${deb822}`;
    expect(parseSourcesFile(text)).toHaveLength(1);
    const plain = parseListFile('deb http://yes.example/debian bookworm main');
    expect(sourceForSuite(plain, { codename: 'bookworm', suite: 'trixie' })).toBe(
      'deb http://yes.example/debian trixie main\n',
    );
  });

  test('sources: none for a machine whose own release is not among them', () => {
    expect(sourceForSuite(parseSourcesFile(deb822), { codename: 'trixie', suite: 'sid' })).toBe(
      null,
    );
  });
});
