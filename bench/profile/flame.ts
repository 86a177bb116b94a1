/**
 * Flame graphs of what V8 wrote about the processes of a run: one page that needs nothing else, each
 * process a graph, a function as wide as its share of the time that was not idle.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const WIDTH = 1200;
const ROW = 16;
/** Narrower is not drawn. */
const WIDTH_MIN = 0.7;
const CHARACTER = 6.4;
const DEPTH_MAX = 60;

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});
type CpuProfile = z.infer<typeof profileSchema>;

interface Frame {
  readonly name: string;
  readonly children: Map<string, Frame>;
  /** µs, callees included. */
  total: number;
}

/** Makes `flame.html` of the profiles in a folder; returns its path. */
export function drawFlames(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  const graphs = files.sort().map((name) => {
    const profile = profileSchema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8')));
    return drawOne(name.replace('.cpuprofile', ''), treeOf(profile));
  });
  const path = join(folder, 'flame.html');
  const style = 'body{font:13px system-ui;margin:1em}svg text{font:11px monospace;fill:#111}';
  const head = `<meta charset="utf-8"><title>Where time went</title><style>${style}</style>`;
  writeFileSync(path, `<!doctype html>${head}\n${graphs.join('\n')}\n`);
  return path;
}

/** Stacks of one name under another are one frame; idle time is left out. */
function treeOf({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parentOf = new Map(
    nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  );
  const root: Frame = { name: 'all', children: new Map(), total: 0 };
  const us = new Map<number, number>();
  for (const [index, id] of samples.entries()) {
    us.set(id, (us.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  }
  for (const [leaf, spent] of us) {
    const stack: string[] = [];
    for (let id: number | undefined = leaf; id !== undefined; id = parentOf.get(id)) {
      const frame = byId.get(id)?.callFrame;
      if (frame !== undefined && frame.functionName !== '(root)') stack.push(nameOf(frame));
    }
    if (stack[0] === '(idle)' || stack[0] === '(program)') continue;
    let at = root;
    at.total += spent;
    for (const name of stack.reverse()) {
      const next = at.children.get(name) ?? { name, children: new Map(), total: 0 };
      at.children.set(name, next);
      next.total += spent;
      at = next;
    }
  }
  return root;
}

function nameOf(frame: { functionName: string; url: string; lineNumber: number }): string {
  const file = frame.url.split('/').slice(-2).join('/');
  const name = frame.functionName === '' ? 'anonymous' : frame.functionName;
  return file === '' ? name : `${name} ${file}:${frame.lineNumber + 1}`;
}

function drawOne(title: string, root: Frame): string {
  const rects: string[] = [];
  let deepest = 0;
  const draw = (frame: Frame, x: number, depth: number): void => {
    const width = (frame.total / Math.max(1, root.total)) * WIDTH;
    if (width < WIDTH_MIN || depth > DEPTH_MAX) return;
    deepest = Math.max(deepest, depth);
    const share = ((frame.total / Math.max(1, root.total)) * 100).toFixed(1);
    const words = escape(`${frame.name}: ${(frame.total / 1000).toFixed(0)} ms, ${share} %`);
    const room = Math.floor(width / CHARACTER);
    const label = room < 4 ? '' : escape(frame.name.slice(0, room));
    const y = depth * ROW;
    rects.push(
      `<g><title>${words}</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}"` +
        ` height="${ROW - 1}" fill="hsl(${hueOf(frame.name)} 75% 68%)"/>` +
        `<text x="${(x + 3).toFixed(1)}" y="${y + 11}">${label}</text></g>`,
    );
    let at = x;
    for (const child of [...frame.children.values()].sort((a, b) => b.total - a.total)) {
      draw(child, at, depth + 1);
      at += (child.total / Math.max(1, root.total)) * WIDTH;
    }
  };
  draw(root, 0, 0);
  const height = (deepest + 1) * ROW;
  const svg = `<svg width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`;
  const total = (root.total / 1000).toFixed(0);
  return `<h2>${escape(title)}, ${total} ms</h2>\n${svg}${rects.join('\n')}</svg>`;
}

/** Files of one room have one colour. */
function hueOf(name: string): number {
  const file = name.split(' ')[1] ?? name;
  let hue = 0;
  for (const letter of file.split(':')[0] ?? '') hue = (hue * 31 + letter.charCodeAt(0)) % 360;
  return hue;
}

function escape(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
