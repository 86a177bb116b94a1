/**
 * The description of the API in OpenAPI 3.1, made from what every route says of itself: the schemas in
 * it are those that check requests, so that it cannot say anything else than what is done.
 */
import { z } from 'zod';
import { PROBLEM_TYPE, problemSchema } from '../../shared/api/problem.js';
import { endLineSchema, NDJSON_TYPE, problemLineSchema } from '../../shared/api/stream.js';
import type { RouteDescription, RouteRole } from './route-context.js';

export interface DescribedRoute {
  readonly method: string;
  /** The pattern it was registered with. */
  readonly url: string;
  readonly role: RouteRole;
  readonly describe: RouteDescription;
}

type Json = Record<string, unknown>;

const pathParameters: Readonly<Record<string, string>> = {
  set: 'Name of a set',
  point: 'A number, latest, latest~2, or a time',
  node: 'Number of a node',
  id: 'As lists name it',
  name: 'As lists name it',
};

export function openApiDocument(
  routes: readonly DescribedRoute[],
  { version }: { readonly version: string },
): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.url.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Afterimage',
      version,
      description:
        'The HTTP API of a replica. Failures are problem documents (RFC 9457): branch on their code.',
    },
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema, 'output') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'afterimage_session' },
      },
    },
    security: [{ bearer: [] }, { session: [] }],
  };
}

function operation({ method, url, role, describe }: DescribedRoute): Json {
  const { summary, tag, query, body } = describe;
  return {
    operationId: operationId(method, url),
    summary,
    tags: [tag],
    'x-role': role,
    ...(role === 'open' ? { security: [] } : {}),
    parameters: [...inPath(url), ...inQuery(query)],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(body, 'input') } },
          },
        }),
    responses: {
      200: { description: summary, content: answerContent(describe) },
      default: {
        description: 'What went wrong',
        content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

/** A stream's schema is that of each line, with the two that end it. */
function answerContent({ answer, lines, content }: RouteDescription): Json {
  const media: Json = {};
  if (answer !== undefined) media['application/json'] = { schema: schemaOf(answer, 'output') };
  if (lines !== undefined) {
    const ends = [endLineSchema, problemLineSchema].map((line) => schemaOf(line, 'output'));
    media[NDJSON_TYPE] = { schema: { anyOf: [schemaOf(lines, 'output'), ...ends] } };
  }
  if (content !== undefined) media[content] = { schema: {} };
  return media;
}

function inPath(url: string): Json[] {
  return [...url.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: pathParameters[name] ?? name,
    schema: { type: 'string' },
  }));
}

function inQuery(query: z.ZodType | undefined): Json[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(query, 'input') as {
    readonly properties?: Record<string, Json>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const json: Json = { ...z.toJSONSchema(schema, { io, unrepresentable: 'any' }) };
  // The document says the dialect for all of them.
  delete json['$schema'];
  return json;
}

/** `get /v1/sets/:set/points` becomes `getSetsSetPoints`. */
function operationId(method: string, url: string): string {
  const words = url
    .replace(/^\/v1\//, '')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return (
    method.toLowerCase() +
    words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
  );
}
