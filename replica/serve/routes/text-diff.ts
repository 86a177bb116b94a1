/** The content of a text file at two points, compared line by line. */
import type { FastifyInstance } from 'fastify';
import {
  TEXT_BYTES_MAX,
  type TextDiffAnswer,
  textDiffQuerySchema,
  textDiffSchema,
  type TextSide,
} from '../../../shared/api/text-diff.js';
import { blockCount } from '../../../shared/limits.js';
import { Mutex } from '../../../shared/mutex.js';
import { toPathText } from '../../../shared/path-text.js';
import { TimeSlice } from '../../../shared/time-slice.js';
import type { NodeVersion, PointView } from '../../history/set-reader.js';
import { diffLines, type LineDiff, LINES_MAX, splitLines } from '../../history/text-diff.js';
import { checked, openPoint, pathOf, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';

/** Blocks of which digests are compared at one go, and in all. */
const DIGESTS_STEP = 1024;
const DIGESTS_MAX = 64 * DIGESTS_STEP;

interface Side {
  readonly view: PointView;
  readonly version: NodeVersion | undefined;
  readonly told: TextSide;
  readonly lines: readonly string[];
}

const nothingCompared: LineDiff = {
  ...{ result: 'not-compared', added: 0, removed: 0 },
  ...{ hunks: [], truncated: false },
};

export function registerTextDiff(app: FastifyInstance, context: RouteContext): void {
  const { sets } = context.options;
  // Both texts and what is made of them are in memory: one pair at a time.
  const desk = new Mutex();

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/text-diff',
    {
      config: {
        role: 'viewer',
        audit: 'text-diff.read',
        describe: {
          summary: 'A text file at two points, compared line by line',
          tag: 'contents',
          query: textDiffQuerySchema,
          answer: textDiffSchema,
        },
      },
    },
    async (request): Promise<TextDiffAnswer> => {
      const query = checked(textDiffQuerySchema, request.query);
      const { set } = request.params;
      return await desk.run(async () => {
        const views: PointView[] = [];
        try {
          const open = async (point: string, path: string): Promise<Side> => {
            const view = openPoint(sets(), { set, point });
            views.push(view);
            return await readSide(view, path);
          };
          const from = await open(query.from, query.path);
          const to = await open(query.to, query.toPath ?? query.path);
          return { set, ...(await compare(from, to, query.context)) };
        } finally {
          for (const view of views) view.close();
        }
      });
    },
  );
}

async function compare(
  from: Side,
  to: Side,
  context: number,
): Promise<Omit<TextDiffAnswer, 'set'>> {
  const sides = { from: from.told, to: to.told };
  const sameBytes = await isSame(from, to);
  const texts = isText(from) && isText(to);
  if (!texts) return { ...sides, sameBytes, ...nothingCompared };
  return { ...sides, sameBytes, ...(await diffLines(from.lines, to.lines, { context })) };
}

/** What is absent compares as an empty text, with a text. */
function isText({ told }: Side): boolean {
  return told.state === 'text' || told.state === 'absent';
}

async function readSide(view: PointView, pathText: string): Promise<Side> {
  const path = pathOf(pathText);
  const version = view.resolve(path);
  const size = version?.size ?? 0;
  const told = { point: view.point, path: toPathText(path), size, replaced: false };
  const empty = { view, version, lines: [] };
  if (version === undefined) return { ...empty, told: { ...told, state: 'absent' } };
  if (version.kind !== 'file') return { ...empty, told: { ...told, state: 'other' } };
  if (size > TEXT_BYTES_MAX) return { ...empty, told: { ...told, state: 'too-large' } };
  const bytes = await readAll(view, version);
  if (bytes.includes(0)) return { ...empty, told: { ...told, state: 'binary' } };
  const text = bytes.toString('utf8');
  const lines = splitLines(text);
  if (lines.length > LINES_MAX) return { ...empty, told: { ...told, state: 'too-large' } };
  const replaced = text.includes('\ufffd');
  return { view, version, lines, told: { ...told, state: 'text', replaced } };
}

async function readAll(view: PointView, { node, size }: NodeVersion): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of view.read(node, { offset: 0, length: size })) {
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts);
}

/** By digests; null where not both are files, or where it would take long to say. */
async function isSame(a: Side, b: Side): Promise<boolean | null> {
  if (a.version?.kind !== 'file' || b.version?.kind !== 'file') return null;
  if (a.version.size !== b.version.size) return false;
  const blocks = blockCount(a.version.size);
  if (blocks > DIGESTS_MAX) return null;
  const slice = new TimeSlice();
  for (let first = 0; first < blocks; first += DIGESTS_STEP) {
    const count = Math.min(DIGESTS_STEP, blocks - first);
    if (!digestsOf(a, { first, count }).equals(digestsOf(b, { first, count }))) return false;
    await slice.breathe();
  }
  return true;
}

function digestsOf({ view, version }: Side, range: { first: number; count: number }): Buffer {
  if (version === undefined) return Buffer.alloc(0);
  return Buffer.concat(view.digests(version.node, range).map(({ digests }) => digests));
}
