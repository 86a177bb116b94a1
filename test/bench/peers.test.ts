import { describe, expect, test } from 'vitest';
import { drawPeers } from '../../bench/peers/chart.js';
import { figuresOf } from '../../bench/peers/figures.js';
import { medianOf, type PeersRecord, recordSchema } from '../../bench/peers/record.js';
import { formatPeers } from '../../bench/peers/table.js';

const TIMES: readonly (readonly [string, readonly number[]])[] = [
  ['afterimage-direct', [900, 1100, 1000]],
  ['afterimage-broker', [1500, 1600, 1700]],
  ['rsync', [1000, 1000, 500]],
];

function recordOf(times = TIMES): PeersRecord {
  const samples = times.flatMap(([copier, ms]) =>
    ms.map((value, index) => ({
      ...{ story: 'd1', step: 'first_copy', copier, round: index + 1, ms: value, cpuS: 1 },
      ...{ cpuSOf: { agent: 1 }, rssMib: 5, rssMibOf: { agent: 100 + index, replica: 310 } },
      ...{ wireBytes: 1e6, storedBytes: 2e6 },
    })),
  );
  const machine = { cpu: 'a <CPU>', cores: 2, memoryMib: 4096, kernel: '6', node: 'v20' };
  return {
    bench: 'peers',
    machine: { ...machine, filesystem: 'ext4' },
    ...{ scale: 1, seed: 1, rounds: 3, ground: 'ext4', network: 'loopback' },
    stories: [{ name: 'd1', about: 'many files' }],
    copiers: times.map(([name]) => ({ name, about: `${name} & friends` })),
    samples,
  };
}

describe('peers', () => {
  test('figures: are ratios within each round, held to their targets', () => {
    const figures = new Map(figuresOf(recordOf()).map((figure) => [figure.name, figure]));
    expect(figures.get('first_copy_d1_vs_rsync')).toMatchObject({
      rounds: [0.9, 1.1, 2],
      target: '≤ 1.2',
      met: true,
      against: 'rsync & friends',
    });
    expect(figures.get('first_copy_d1_vs_rsync_broker')).toMatchObject({ value: 1.6, met: true });
    expect(figures.get('agent_rss_mib')).toMatchObject({ value: 101, met: true });
    expect(figures.get('replica_rss_mib')).toMatchObject({ met: false });
  });

  test('figures: of who was not there are left out', () => {
    const names = figuresOf(recordOf(TIMES.slice(1))).map(({ name }) => name);
    expect(names).toContain('first_copy_d1_vs_rsync_broker');
    expect(names).not.toContain('first_copy_d1_vs_rsync');
    expect(names).not.toContain('first_copy_d1_vs_restic');
  });

  test('table: has the median of each and its ratio to rsync', () => {
    expect(formatPeers(recordOf())).toMatch(
      /d1 +first_copy +afterimage-broker +1\.600 +1\.60 +1\.00 +agent 1\.00 +5 +1\.00 +2\.00/,
    );
  });

  test('chart: is drawn from what was kept, with words that XML would take for its own', () => {
    const kept = recordSchema.parse(JSON.parse(JSON.stringify(recordOf())));
    expect(medianOf(kept, { story: 'd1', step: 'first_copy', copier: 'rsync' }, 'ms')).toBe(1000);
    const svg = drawPeers(kept);
    expect(svg.match(/<rect /g)).toHaveLength(TIMES.length);
    expect(svg).toContain('a &lt;CPU&gt;');
    expect(svg).toContain('rsync &amp; friends');
    expect(svg).toContain('prefers-color-scheme: dark');
  });
});
