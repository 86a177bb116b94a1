/** Jobs: asked for, listed, looked at, cancelled, resumed. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  type JobJson,
  type JobLogAnswer,
  jobLogQuerySchema,
  jobLogSchema,
  jobRequestSchema,
  jobSchema,
  type JobsAnswer,
  jobsQuerySchema,
  jobsSchema,
} from '../../../shared/api/jobs.js';
import { AfterimageError } from '../../../shared/errors.js';
import { accessOf, requireEverySet, requireRole, requireSet } from '../../access/access.js';
import { noteAudit } from '../../access/audit-note.js';
import type { JobDesk } from '../../jobs/job-desk.js';
import type { AnyJobKind } from '../../jobs/job-kind.js';
import { checked, findSet } from '../requests.js';
import type { RouteContext } from '../route-context.js';

interface JobParams {
  readonly id: string;
}

export function registerJobs(app: FastifyInstance, context: RouteContext): void {
  const { jobs, sets } = context.options;
  if (jobs === undefined) return;
  const tag = 'jobs';

  app.post(
    '/v1/jobs',
    {
      config: {
        role: 'operator',
        audit: 'job.begin',
        describe: {
          summary: 'Asks for a job',
          tag,
          body: jobRequestSchema,
          answer: jobSchema,
        },
      },
    },
    async (request, reply): Promise<JobJson> => {
      const { kind: name, set = '', ...rest } = checked(jobRequestSchema, request.body);
      const kind = jobs.kindOf(name, rest);
      requireRole(request, kind.role);
      checkSubject(kind, set);
      noteAudit(request, { set, detail: `${name} ${JSON.stringify(rest)}` });
      if (set === '') requireEverySet(request);
      else {
        requireSet(request, set);
        findSet(sets(), set);
      }
      reply.code(201);
      return jobs.begin({ kind: name, set, by: accessOf(request).who, request: rest });
    },
  );

  app.get(
    '/v1/jobs',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Jobs, the newest first',
          tag,
          query: jobsQuerySchema,
          answer: jobsSchema,
        },
      },
    },
    (request): JobsAnswer => {
      const query = checked(jobsQuerySchema, request.query);
      if (query.set !== undefined) requireSet(request, query.set);
      return jobs.list({ ...query, sets: accessOf(request).sets });
    },
  );

  app.get<{ Params: JobParams }>(
    '/v1/jobs/:id',
    { config: { role: 'viewer', describe: { summary: 'One job', tag, answer: jobSchema } } },
    (request): JobJson => seen(jobs, request, request.params.id),
  );

  app.get<{ Params: JobParams }>(
    '/v1/jobs/:id/log',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Lines of the log of a job',
          tag,
          query: jobLogQuerySchema,
          answer: jobLogSchema,
        },
      },
    },
    (request): JobLogAnswer => {
      const page = checked(jobLogQuerySchema, request.query);
      seen(jobs, request, request.params.id);
      return jobs.log(request.params.id, page);
    },
  );

  for (const action of ['cancel', 'resume'] as const) {
    app.post<{ Params: JobParams }>(
      `/v1/jobs/:id/${action}`,
      {
        config: {
          role: 'operator',
          audit: `job.${action}`,
          describe: {
            summary: action === 'cancel' ? 'Calls a job off' : 'Queues a job again that has ended',
            tag,
            answer: jobSchema,
          },
        },
      },
      (request): JobJson => {
        const { id } = request.params;
        const job = seen(jobs, request, id);
        noteAudit(request, { ...(job.set === null ? {} : { set: job.set }), detail: id });
        requireRole(request, jobs.kindOf(job.kind, job.request).role);
        return jobs[action](id, accessOf(request).who);
      },
    );
  }
}

/** Throws `forbidden` for a job of a set that the caller may not see. */
function seen(jobs: JobDesk, request: FastifyRequest, id: string): JobJson {
  const job = jobs.get(id);
  if (job.set === null) requireEverySet(request);
  else requireSet(request, job.set);
  return job;
}

function checkSubject({ about, kind }: AnyJobKind, set: string): void {
  if (about === 'set' && set === '') {
    throw new AfterimageError('argument-invalid', `set: a job of kind ${kind} is about a set`);
  }
  if (about === 'replica' && set !== '') {
    throw new AfterimageError('argument-invalid', `set: a job of kind ${kind} is about no set`);
  }
}
