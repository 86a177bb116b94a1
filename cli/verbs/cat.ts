/** `cat`: bytes of a file at a point, each block checked as it arrives. */
import type { Command } from 'commander';
import type { PointDetail } from '../../shared/api/points.js';
import { type PathedNode, statSchema } from '../../shared/api/tree.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { toPathText } from '../../shared/path-text.js';
import { blocksOf } from '../../replica/restore/content-frames.js';
import { checkedBlocks } from '../checked-blocks.js';
import { setPath } from '../api-client.js';
import { applyRange, type AskedRange, parseByteRange } from '../arguments.js';
import { parseSetPath } from '../set-paths.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

const JSON_BYTES_MAX = 16 * 1024 * 1024;

export function addCat(program: Command, invoke: Invoke): void {
  addVerb(program, 'cat', 'Print a file of a point, or a range of its bytes')
    .argument('<set@point>', 'such as shop@latest')
    .argument('<path>', 'file, from the root names down')
    .option('--range <bytes>', 'first-last, first- or -count', parseByteRange)
    .action(
      (at: string, path: string, options: { readonly range?: AskedRange }, command: Command) =>
        invoke(command, async (context) => {
          const point = await context.findPoint(at);
          const { entry } = await context.api.json(statSchema, {
            path: setPath(point.set, 'points', String(point.point), 'stat'),
            query: { path: toPathText(parseSetPath(path, point)) },
          });
          if (entry.kind !== 'file') {
            throw new AfterimageError('argument-invalid', `${entry.path} is a ${entry.kind}`);
          }
          const range = applyRange(options.range, entry.size);
          if (context.json) await printJson(context, { point, entry, range });
          else
            for await (const bytes of read(context, { point, entry, range }))
              await context.io.out(bytes);
          return ExitCode.ok;
        }),
    );
}

interface Wanted {
  readonly point: PointDetail;
  readonly entry: PathedNode;
  readonly range: { readonly offset: number; readonly length: number };
}

async function* read(context: VerbContext, wanted: Wanted): AsyncGenerator<Buffer> {
  const { point, entry, range } = wanted;
  const { first, count } = blocksOf(range.offset, range.length);
  if (count === 0) return;
  const end = range.offset + range.length;
  const blocks = checkedBlocks(context.api, {
    hash: createHashCore(),
    set: point.set,
    point: point.point,
    node: entry.node,
    size: entry.size,
    range: { first, count },
  });
  for await (const { block, bytes } of blocks) {
    const start = block * BLOCK_BYTES;
    yield bytes.subarray(Math.max(0, range.offset - start), Math.min(bytes.length, end - start));
  }
}

async function printJson(context: VerbContext, wanted: Wanted): Promise<void> {
  const { point, entry, range } = wanted;
  if (range.length > JSON_BYTES_MAX) {
    throw new AfterimageError(
      'argument-invalid',
      `--json carries at most ${JSON_BYTES_MAX} bytes; give a --range`,
    );
  }
  const parts: Buffer[] = [];
  for await (const bytes of read(context, wanted)) parts.push(Buffer.from(bytes));
  const object = {
    set: point.set,
    point: point.point,
    path: entry.path,
    size: entry.size,
    ...range,
    base64: Buffer.concat(parts).toString('base64'),
  };
  await context.io.out(`${JSON.stringify(object)}\n`);
}
