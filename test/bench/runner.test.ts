import { describe, expect, test } from 'vitest';
import type { Bench, Catalogue } from '../../bench/catalogue.js';
import { run as runHash } from '../../bench/hash.js';
import type { RunOptions } from '../../bench/run-options.js';
import { runBenches } from '../../bench/runner.js';
import { summarise } from '../../bench/summary.js';
import { AfterimageError } from '../../shared/errors.js';

interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], benches: Catalogue): Promise<Printed> {
  let out = '';
  let err = '';
  const code = await runBenches(args, benches, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  });
  return { code, out, err };
}

function bench(run: Bench['run']): Bench {
  return { about: 'a test', usual: { rounds: 4, scale: 0.5 }, run };
}

const missed = summarise({ name: 'wait_ms', unit: 'ms', rounds: [3, 9, 5] }, { atMost: 4 });
const kept = summarise({ name: 'speed', unit: 'GB/s', rounds: [2, 1, 3] }, { atLeast: 2 });
const benches = {
  one: bench(() => Promise.resolve([missed])),
  two: bench(() => Promise.resolve([kept])),
};

describe('bench runner', () => {
  test('bench --json: prints one object with machine and figures, and ends with 0 when a target is missed', async () => {
    const { code, out, err } = await run(['one', '--json'], benches);
    expect(code).toBe(0);
    expect(err).toContain('4 rounds at scale 0.5');
    const report = JSON.parse(out) as { machine: Record<string, unknown> };
    expect(report).toEqual({
      bench: 'one',
      machine: report.machine,
      figures: [
        {
          name: 'wait_ms',
          value: 5,
          unit: 'ms',
          rounds: [3, 5, 9],
          against: '',
          target: '≤ 4',
          met: false,
        },
      ],
    });
    const facts = ['cpu', 'cores', 'memoryMib', 'kernel', 'node', 'filesystem'];
    expect(Object.keys(report.machine)).toEqual(facts);
    expect(out.endsWith('}\n')).toBe(true);
  });

  test('bench all: runs each and puts its name before its figures', async () => {
    const { out } = await run(['all', '--json'], benches);
    const report = JSON.parse(out) as { figures: { name: string }[] };
    expect(report.figures.map(({ name }) => name)).toEqual(['one.wait_ms', 'two.speed']);
  });

  test('bench without --json: prints a table that says which targets are met', async () => {
    const { out } = await run(['all'], benches);
    expect(out).toMatch(/one\.wait_ms +5 +ms +3 +9 +≤ 4 +no/);
    expect(out).toMatch(/two\.speed +2 +GB\/s +1 +3 +≥ 2 +yes/);
  });

  test('bench without a name: lists what there is and runs nothing', async () => {
    const never = bench(() => Promise.reject(new Error('was run')));
    const { code, out } = await run([], { never });
    expect(code).toBe(0);
    expect(out).toMatch(/never +a test/);
  });

  test('bench options: go to the benchmark in place of its usual ones', async () => {
    const seen: RunOptions[] = [];
    const spy = bench((options) => {
      seen.push(options);
      return Promise.resolve([kept]);
    });
    await run(['spy', '--scale', '0.01', '--rounds', '2'], { spy });
    expect(seen).toMatchObject([{ rounds: 2, scale: 0.01 }]);
  });

  test.each([[['three']], [['one', '--scale', '0']], [['one', '--fast']], [['one', 'two']]])(
    'bench %j: is refused with 2 and prints nothing on standard output',
    async (args) => {
      const { code, out, err } = await run(args, benches);
      expect(code).toBe(2);
      expect(out).toBe('');
      expect(err).toContain('argument-invalid');
    },
  );

  test('bench: ends with 1 and no figures when a result was wrong', async () => {
    const wrong = bench(() => Promise.reject(new AfterimageError('mismatch', 'not a copy')));
    const { code, out, err } = await run(['wrong', '--json'], { wrong });
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toContain('not a copy');
  });

  test('bench hash: measures something at a small scale', async () => {
    const { code, out } = await run(['hash', '--json', '--scale', '0.005', '--rounds', '1'], {
      hash: bench(runHash),
    });
    expect(code).toBe(0);
    const { figures } = JSON.parse(out) as { figures: { name: string; value: number }[] };
    const speed = figures.find(({ name }) => name === 'wasm_gbps_64kib');
    expect(speed?.value).toBeGreaterThan(0.01);
  });
});
