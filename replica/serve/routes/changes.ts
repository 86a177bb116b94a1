/** Search over points, and comparison of two. */
import type { FastifyInstance } from 'fastify';
import {
  diffLineSchema,
  diffQuerySchema,
  findQuerySchema,
  foundSchema,
} from '../../../shared/api/changes.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { AfterimageError } from '../../../shared/errors.js';
import { presentChange, presentFound } from '../present.js';
import { checked, findPoint, findSet, type SetParams } from '../requests.js';
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
          summary: 'Compares two points',
          tag: 'search',
          query: diffQuerySchema,
          lines: diffLineSchema,
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
      const lines = mapped(served.reader.diff(from, to), presentChange);
      return await reply
        .type(NDJSON_TYPE)
        .header('x-afterimage-from', from)
        .header('x-afterimage-to', to)
        .send(lineStream(lines, { closing: context.closing, log }));
    },
  );
}

function* mapped<From, To>(values: Iterable<From>, map: (value: From) => To): Generator<To> {
  for (const value of values) yield map(value);
}
