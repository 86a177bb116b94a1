/** Search over points, and comparison of two. */
import type { FastifyInstance } from 'fastify';
import {
  diffAnswerLineSchema,
  type DiffLine,
  diffQuerySchema,
  type DiffSummary,
  findQuerySchema,
  foundSchema,
} from '../../../shared/api/changes.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { AfterimageError } from '../../../shared/errors.js';
import { tellChanges } from '../../history/diff-lines.js';
import type { DiffEntry } from '../../history/set-reader.js';
import { presentChange, presentFound } from '../present.js';
import { goneSignal } from '../gone-signal.js';
import { checked, findPoint, findSet, pathOf, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';
import { lineStream } from '../streams.js';

export function registerChanges(app: FastifyInstance, context: RouteContext): void {
  const { sets, log } = context.options;

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/find',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Finds paths over the points of a set',
          tag: 'search',
          query: findQuerySchema,
          lines: foundSchema,
        },
      },
    },
    async (request, reply) => {
      const { glob, from, to, limit } = checked(findQuerySchema, request.query);
      const served = findSet(sets(), request.params.set);
      const { reader } = served;
      const found = reader.find({
        glob,
        from: from === undefined ? 0 : findPoint(served, from).point,
        to: to === undefined ? (reader.newest()?.point ?? 0) : findPoint(served, to).point,
        limit,
      });
      const lines = mapped(found, presentFound);
      return await reply
        .type(NDJSON_TYPE)
        .send(lineStream(lines, { closing: context.closing, log }));
    },
  );

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/diff',
    {
      config: {
        role: 'viewer',
        describe: {
          summary:
            'Compares two points, all of them or one path, with counts where they are asked for',
          tag: 'search',
          query: diffQuerySchema,
          lines: diffAnswerLineSchema,
        },
      },
    },
    async (request, reply) => {
      const query = checked(diffQuerySchema, request.query);
      const served = findSet(sets(), request.params.set);
      const from = findPoint(served, query.from).point;
      const to = findPoint(served, query.to).point;
      if (from > to) {
        throw new AfterimageError('argument-invalid', `point ${from} is newer than point ${to}`);
      }
      const { reader } = served;
      const all = reader.changes?.(from, to) ?? reader.diff(from, to);
      const changes = tellChanges(all, {
        path: pathOf(query.path ?? ''),
        limit: query.limit ?? Infinity,
        summary: query.summary,
        signal: AbortSignal.any([context.closing, goneSignal(reply)]),
      });
      const lines = presented(changes);
      return await reply
        .type(NDJSON_TYPE)
        .header('x-afterimage-from', from)
        .header('x-afterimage-to', to)
        .send(lineStream(lines, { closing: context.closing, log }));
    },
  );
}

async function* presented(
  lines: AsyncIterable<DiffEntry | DiffSummary>,
): AsyncGenerator<DiffLine | DiffSummary> {
  for await (const line of lines) yield 'type' in line ? line : presentChange(line);
}

function* mapped<From, To>(values: Iterable<From>, map: (value: From) => To): Generator<To> {
  for (const value of values) yield map(value);
}
