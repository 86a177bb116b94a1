/** Draws how the time of a fixed change follows the size of the set, both axes logarithmic. */
import { medianOf, type PeersRecord } from '../peers/record.js';
import { CHANGE } from './sizes.js';

const WIDTH = 860;
const HEIGHT = 330;
const LEFT = 70;
const RIGHT = 170;
const TOP = 60;
const BOTTOM = 70;

const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 15px; font-weight: 600; }
.quiet { fill: #57606a; font-size: 11px; }
.grid { stroke: #d0d7de; }
.own { stroke: #0969da; fill: #0969da; }
.peer { stroke: #8c959f; fill: #8c959f; }
polyline { fill: none !important; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .grid { stroke: #30363d; }
  .own { stroke: #58a6ff; fill: #58a6ff; }
  .peer { stroke: #6e7681; fill: #6e7681; }
}`;

interface Point {
  readonly x: number;
  readonly ms: number;
}

/** `prefix` chooses the stories, whose names end in their size. */
export function drawGrowth(record: PeersRecord, prefix: 'files' | 'gib'): string {
  const sizes = record.stories
    .filter(({ name }) => name.startsWith(`${prefix}-`))
    .map(({ name }) => Number(name.slice(prefix.length + 1)));
  const lines = record.copiers.map(({ name }) => ({
    name,
    points: sizes.flatMap((x): Point[] => {
      const ms = medianOf(record, { story: `${prefix}-${x}`, step: CHANGE, copier: name }, 'ms');
      return ms === undefined ? [] : [{ x, ms }];
    }),
  }));
  const all = lines.flatMap(({ points }) => points.map(({ ms }) => ms));
  const [low, high] = [decade(Math.min(...all), 'floor'), decade(Math.max(...all), 'ceil')];
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const atX = (x: number): number => LEFT + share(x, least, most) * (WIDTH - LEFT - RIGHT);
  const atY = (ms: number): number =>
    HEIGHT - BOTTOM - share(ms, low, high) * (HEIGHT - TOP - BOTTOM);
  const grid: string[] = [];
  for (let ms = low; ms <= high; ms *= 10) {
    const y = atY(ms).toFixed(1);
    grid.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`);
    grid.push(`<text class="quiet" text-anchor="end" x="${LEFT - 8}" y="${y}">${ms} ms</text>`);
  }
  for (const x of sizes) {
    const words = prefix === 'files' ? `${x.toLocaleString('en')} files` : `${x} GiB`;
    const y = HEIGHT - BOTTOM + 18;
    grid.push(`<text class="quiet" text-anchor="middle" x="${atX(x)}" y="${y}">${words}</text>`);
  }
  const drawn = lines
    .filter(({ points }) => points.length > 0)
    .map(({ name, points }) => {
      const side = name.startsWith('afterimage') ? 'own' : 'peer';
      const places = points.map(({ x, ms }) => `${atX(x).toFixed(1)},${atY(ms).toFixed(1)}`);
      const last = points.at(-1);
      const end = last === undefined ? '' : `x="${WIDTH - RIGHT + 10}" y="${atY(last.ms) + 4}"`;
      return `<polyline class="${side}" points="${places.join(' ')}"/><text ${end}>${name}</text>`;
    });
  const { machine, rounds, ground } = record;
  const where = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${ground}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="12" y="26">Time of a change of fixed size in a set that grows</text>`,
    `<text class="quiet" x="12" y="44">median of ${rounds} round(s); both axes logarithmic</text>`,
    ...grid,
    ...drawn,
    `<text class="quiet" x="12" y="${HEIGHT - 14}">${where}</text>`,
    '</svg>\n',
  ].join('\n');
}

function share(value: number, least: number, most: number): number {
  return most > least ? Math.log(value / least) / Math.log(most / least) : 0;
}

function decade(value: number, side: 'floor' | 'ceil'): number {
  return 10 ** Math[side](Math.log10(Math.max(1, value)));
}
