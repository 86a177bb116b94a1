/**
 * Draws what a run of `peers` kept as one SVG that a page can show as it is: for each step the time
 * of everybody as bars, each step on a scale of its own, with seconds and the machine in words.
 */
import { medianOf, type PeersRecord, stepsOf } from './record.js';

const WIDTH = 860;
const LEFT = 150;
const NAME = 140;
const RIGHT = 120;
const BAR = 13;
const GAP = 3;
const BLOCK_GAP = 14;
const TOP = 64;
const FOOT_LINE = 15;
const BAR_WIDTH = WIDTH - LEFT - NAME - RIGHT;

const titles: Readonly<Record<string, string>> = {
  first_copy: 'first copy',
  no_change: 'no change',
  one_percent: '1 % changed',
  pages_1gib: '1,000 pages of 1 GiB',
  pages_4gib_first: '1,000 pages, first time',
  pages_4gib: '1,000 pages of 4 GiB',
  insert_100: '100 bytes inserted',
  append_1mib: '1 MiB appended',
  rename_500: 'a folder moved',
  one_file: 'one file back',
  range_4kib: '4 KiB of an old point',
  restore_all: 'everything back',
  restore_in_place: 'back in place after 1 %',
  points_20: 'one file written',
  find_20_points: 'a name in 20 points',
};

/** The product's bars stand out; the others differ by name. Both grounds of a page can be behind it. */
const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 15px; font-weight: 600; }
.quiet { fill: #57606a; font-size: 11px; }
.own { fill: #0969da; }
.peer { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .own { fill: #58a6ff; }
  .peer { fill: #6e7681; }
}`;

interface Bar {
  readonly name: string;
  readonly ms: number;
}

export function drawPeers(record: PeersRecord): string {
  let y = TOP;
  const blocks: string[] = [];
  for (const { story, step } of stepsOf(record)) {
    const bars = record.copiers.flatMap(({ name }): Bar[] => {
      const ms = medianOf(record, { story, step, copier: name }, 'ms');
      return ms === undefined ? [] : [{ name, ms }];
    });
    blocks.push(drawStep({ story, step, bars, y }));
    y += bars.length * (BAR + GAP) + BLOCK_GAP;
  }
  const foot = footOf(record);
  const height = y + foot.length * FOOT_LINE + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>Afterimage beside other tools: time of each step, in seconds</title>`,
    `<style>${STYLE}</style>`,
    text({ x: 12, y: 26, kind: 'title' }, 'Seconds for each step; shorter is better'),
    text(
      { x: 12, y: 45, kind: 'quiet' },
      `median of ${record.rounds} round(s) at scale ${record.scale}; each step has a scale of its own`,
    ),
    ...blocks,
    ...foot.map((line, index) =>
      text({ x: 12, y: y + (index + 1) * FOOT_LINE, kind: 'quiet' }, line),
    ),
    '</svg>\n',
  ].join('\n');
}

function drawStep({
  story,
  step,
  bars,
  y,
}: {
  readonly story: string;
  readonly step: string;
  readonly bars: readonly Bar[];
  readonly y: number;
}): string {
  const most = Math.max(...bars.map(({ ms }) => ms));
  const lines = bars.flatMap(({ name, ms }, index) => {
    const top = y + index * (BAR + GAP);
    const width = Math.max(1, (ms / most) * BAR_WIDTH).toFixed(1);
    const side = name.startsWith('afterimage') ? 'own' : 'peer';
    const x = LEFT + NAME;
    return [
      text({ x: x - 8, y: top + BAR - 2, kind: '', end: true }, name),
      `<rect class="${side}" x="${x}" y="${top}" width="${width}" height="${BAR}" rx="2"/>`,
      text({ x: x + Number(width) + 6, y: top + BAR - 2, kind: 'quiet' }, formatSeconds(ms)),
    ];
  });
  const title = `${story.toUpperCase()} ${titles[step] ?? step}`;
  return [text({ x: 12, y: y + BAR - 2, kind: '' }, title), ...lines].join('\n');
}

function formatSeconds(ms: number): string {
  return ms < 100 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function footOf({ machine, ground, network, stories, copiers }: PeersRecord): string[] {
  const { cpu, cores, memoryMib, kernel, node } = machine;
  const gib = Math.round(memoryMib / 1024);
  return [
    `${cpu}, ${cores} cores, ${gib} GiB, Linux ${kernel}, Node ${node}; ${ground}; ${network}`,
    ...stories.map(({ name, about }) => `${name.toUpperCase()}: ${about} (at scale 1)`),
    ...copiers.map(({ name, about }) => `${name}: ${about}`),
  ];
}

function text(
  at: { readonly x: number; readonly y: number; readonly kind: string; readonly end?: true },
  words: string,
): string {
  const kind = at.kind === '' ? '' : ` class="${at.kind}"`;
  const anchor = at.end === true ? ' text-anchor="end"' : '';
  return `<text x="${at.x.toFixed(0)}" y="${at.y}"${kind}${anchor}>${escape(words)}</text>`;
}

function escape(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
