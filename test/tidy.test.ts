/** Keeps the house in order: sizes, names, dead files, links, lists that say the same in two places. */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  projectFileExists,
  projectFiles,
  readProjectFile,
  readProjectJson,
  referredSources,
} from './support/project-files.js';
import { brokenLinks } from './support/markdown-links.js';

const LINES_MAX = 400;
const bannedNames = [
  'utils',
  'util',
  'helpers',
  'helper',
  'manager',
  'data',
  'info',
  'misc',
  'common',
];
/** Sources that nothing imports: what npm, the command line or another process runs. */
const entries = [
  'cli/main.ts',
  'cli/start.ts',
  'bench/main.ts',
  'cli/mount/mount-main.ts',
  'console/main.tsx',
  'agent/quiesce/watchdog.ts',
  'agent/quiesce/sqlite-holder.ts',
  'agent/workers/worker-entry.ts',
];
/** Product files that only tests use, and why. */
const onlyForTests = new Map([
  ['shared/transport/memory.ts', 'carries deterministic fault schedules'],
]);

const files = projectFiles();
const sources = files.filter((file) => /\.(ts|tsx|js|cjs|cc|h)$/.test(file));
const texts = files.filter((file) =>
  /\.(ts|tsx|js|cjs|cc|h|css|html|md|json|yaml|gyp)$|^\.ci\//.test(file),
);
const tests = files.filter((file) => /^test\/.*\.ts$/.test(file));
const documents = files.filter((file) => file.endsWith('.md'));

describe('tidy: sources', () => {
  test(`sources: none has more than ${LINES_MAX} lines`, () => {
    const long = sources
      .map((file) => ({ file, lines: readProjectFile(file).split('\n').length - 1 }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });

  test('names: files are kebab-case and none is named for nothing', () => {
    const stems = sources.map((file) => ({ file, stem: path.basename(file).split('.')[0] ?? '' }));
    const odd = stems.filter(
      ({ stem }) =>
        bannedNames.includes(stem) || (stem !== '' && !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem)),
    );
    expect(odd.map(({ file }) => file)).toEqual([]);
  });

  test('sources: each one is reached from an entry point of the product', () => {
    const reached = reachedFrom([...entries, ...onlyForTests.keys()]);
    const product = sources.filter((file) =>
      /^(shared|agent|replica|cli|console|bench)\/.*\.tsx?$/.test(file),
    );
    expect(product.filter((file) => !reached.has(file))).toEqual([]);
    expect(entries.filter((file) => !sources.includes(file))).toEqual([]);
  });

  test('tests: each file beside the tests is used by one of them', () => {
    const reached = reachedFrom(tests.filter((file) => file.endsWith('.test.ts')));
    expect(tests.filter((file) => !reached.has(file))).toEqual([]);
  });

  test('sources: no mark of unfinished work', () => {
    const mark = new RegExp(
      `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`,
    );
    expect(texts.filter((file) => mark.test(readProjectFile(file)))).toEqual([]);
  });

  test('texts: none names a machine folder or a registry', () => {
    const machine = new RegExp(
      ['/wor' + 'k/', 'registry\\.np' + 'mjs', 'pypi\\.' + 'org'].join('|'),
    );
    expect(texts.filter((file) => machine.test(readProjectFile(file)))).toEqual([]);
  });
});

describe('tidy: tests', () => {
  test('tests: none is singled out or switched off', () => {
    const off = /\b(?:test|it|describe)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/;
    expect(tests.filter((file) => off.test(readProjectFile(file)))).toEqual([]);
  });

  test('tests: what is skipped at run time prints why', () => {
    const skips = /\.(?:skipIf|runIf)\(|\bcontext\.skip\(\)/;
    const prints = /console\.(?:warn|info|log)\(|process\.std(?:out|err)\.write\(/;
    const silent = tests
      .filter((file) => skips.test(readProjectFile(file)))
      .filter((file) => {
        const nearby = [file, ...referredSources(file).filter((other) => tests.includes(other))];
        return !nearby.some((other) => prints.test(readProjectFile(other)));
      });
    expect(silent).toEqual([]);
  });
});

describe('tidy: documents', () => {
  test('links: every relative link and every heading it names exists', () => {
    expect(documents.flatMap(brokenLinks)).toEqual([]);
  });

  test('dependencies.md: names each dependency with its licence and a reason, and no other', () => {
    const listed = tableRows('docs/dependencies.md').filter(([name]) => name !== 'nats-server');
    const { dependencies, devDependencies } = readProjectJson('package.json') as {
      readonly dependencies: Record<string, string>;
      readonly devDependencies: Record<string, string>;
    };
    const wanted = [...Object.keys(dependencies), ...Object.keys(devDependencies)];
    expect(listed.map(([name]) => name).sort()).toEqual([...wanted].sort());
    for (const [name = '', licence, reason = ''] of listed) {
      const file = `node_modules/${name}/package.json`;
      expect(projectFileExists(file), `${name} is installed`).toBe(true);
      expect((readProjectJson(file) as { readonly license: string }).license, name).toBe(licence);
      expect(reason.length, `reason for ${name}`).toBeGreaterThan(4);
    }
  });
});

function reachedFrom(starts: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const queue = [...starts];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file) || !projectFileExists(file)) continue;
    reached.add(file);
    queue.push(...referredSources(file));
  }
  return reached;
}

/** Cells of the rows whose first cell is code; backticks of the first cell are taken off. */
function tableRows(document: string): string[][] {
  return readProjectFile(document)
    .split('\n')
    .filter((line) => /^\| *`/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .map(([first = '', ...rest]) => [first.replaceAll('`', '').split(' ')[0] ?? '', ...rest]);
}
