/** The audit for who answers for this replica: by the page, and all of it to keep elsewhere. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import {
  type AuditAnswer,
  type AuditEntry,
  auditExportQuerySchema,
  type AuditLine,
  auditLineSchema,
  auditQuerySchema,
  auditSchema,
} from '../../../shared/api/audit.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { TimeSlice } from '../../../shared/time-slice.js';
import { noteAudit } from '../../access/audit-note.js';
import { checked } from '../requests.js';
import type { RouteContext } from '../route-context.js';
import { lineStream } from '../streams.js';

const CSV_TYPE = 'text/csv; charset=utf-8';
const CSV_CHUNK_CHARS = 64 * 1024;
const tag = 'audit';

export function registerAudit(app: FastifyInstance, context: RouteContext): void {
  const { audit } = context.access;

  app.get(
    '/v1/audit',
    {
      config: {
        role: 'admin',
        describe: {
          summary: 'Entries of the audit, newest first',
          tag,
          query: auditQuerySchema,
          answer: auditSchema,
        },
      },
    },
    (request): AuditAnswer => {
      const query = checked(auditQuerySchema, request.query);
      const notedHead = audit.notedHead() ?? null;
      return { ...audit.page(query, query), notedHead, ...audit.unwritten };
    },
  );

  app.get(
    '/v1/audit/export',
    {
      config: {
        role: 'admin',
        audit: 'audit.export',
        describe: {
          summary: 'All entries of the audit, oldest first, as lines or CSV',
          tag,
          query: auditExportQuerySchema,
          lines: auditLineSchema,
        },
      },
    },
    async (request, reply) => {
      const { format, ...filter } = checked(auditExportQuerySchema, request.query);
      noteAudit(request, { detail: format });
      const entries = audit.all(filter);
      const { closing } = context;
      reply.header('content-disposition', `attachment; filename="afterimage-audit.${format}"`);
      if (format === 'csv') {
        return await reply.type(CSV_TYPE).send(Readable.from(csvLines(entries, closing)));
      }
      const lines = lineStream(typed(entries), { closing, log: context.options.log });
      return await reply.type(NDJSON_TYPE).send(lines);
    },
  );
}

function* typed(entries: Iterable<AuditEntry>): Generator<AuditLine> {
  for (const entry of entries) yield { type: 'entry', ...entry };
}

const columns = [
  'id',
  'timeMs',
  'who',
  'role',
  'address',
  'action',
  'set',
  'point',
  'detail',
  'status',
  'code',
  'digest',
] as const satisfies readonly (keyof AuditEntry)[];

async function* csvLines(
  entries: Iterable<AuditEntry>,
  closing: AbortSignal,
): AsyncGenerator<string> {
  const slice = new TimeSlice();
  let text = `${columns.join(',')}\r\n`;
  for (const entry of entries) {
    if (closing.aborted) return;
    text += `${columns.map((column) => csvCell(entry[column])).join(',')}\r\n`;
    if (text.length < CSV_CHUNK_CHARS) continue;
    yield text;
    text = '';
    await slice.breathe();
  }
  yield text;
}

/** RFC 4180; what a spreadsheet would take for a formula gets an apostrophe before it. */
function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
