/** Globs fit what they say, and no glob with any name takes long: both come from others (R23). */
import { expect, test } from 'vitest';
import { compileGlob } from '../../../replica/history/glob.js';
import { Seeded } from '../../support/seeded.js';

const seed = Number(process.env['SEED'] ?? 9);

/** What a glob means, as an expression that may take for ever. */
function meaning(glob: string): RegExp {
  const source = glob.replace(/\*\*\/|\*\*|\*|\?|[.]/g, (word) => {
    if (word === '**/') return '(?:.*/)?';
    if (word === '**') return '.*';
    if (word === '*') return '[^/]*';
    return word === '?' ? '[^/]' : '\\.';
  });
  return new RegExp(`^${source}$`, 'su');
}

test(`glob: fits exactly what its words mean, however many stars it has (seed ${seed})`, () => {
  const random = new Seeded(seed);
  const words = ['*', '*', '**', '**/', '?', 'a', 'b', '/', '.', 'é', '[ab]', '[^a]'];
  const chars = ['a', 'b', '/', '.', 'é', 'c'];
  let fits = 0;
  for (let round = 0; round < 4000; round += 1) {
    const glob = Array.from({ length: random.below(8) }, () => random.pick(words)).join('');
    // stars that touch are read from the left
    if (/\*{3}/.test(glob)) continue;
    const compiled = compileGlob(glob);
    const expected = meaning(glob.replaceAll('[^a]', '[^/a]'));
    for (let n = 0; n < 8; n += 1) {
      const text = Array.from({ length: random.below(8) }, () => random.pick(chars)).join('');
      expect(compiled.test(text), `${glob} and ${text}`).toBe(expected.test(text));
      fits += compiled.test(text) ? 1 : 0;
    }
  }
  expect(fits).toBeGreaterThan(500);
});

test.for([
  { glob: '*a*a*a*a*a*a*a*b', name: 'a'.repeat(255) },
  { glob: '**/**/**/**/**/x', name: 'a/'.repeat(2000) },
  { glob: '**a**a**a**a**a**b', name: 'a'.repeat(4000) },
  { glob: '*?*?*?*?*?*?*?*?*!', name: 'é'.repeat(250) },
])('glob: $glob is soon done with a name made for it', ({ glob, name }) => {
  const startMs = performance.now();
  expect(compileGlob(glob).test(name)).toBe(false);
  expect(performance.now() - startMs).toBeLessThan(1000);
});

test('glob: a class that is none is the caller’s mistake', () => {
  for (const glob of ['[z-a]', 'x[b-a]*', '**/[z-a]*']) {
    expect(() => compileGlob(glob)).toThrow(
      expect.objectContaining({ code: 'argument-invalid' }) as Error,
    );
  }
});
