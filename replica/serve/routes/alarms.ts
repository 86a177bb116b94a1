/** Alarms: what is wrong with sets, and that somebody has seen it. */
import type { FastifyInstance } from 'fastify';
import {
  acknowledgeRequestSchema,
  alarmSchema,
  type AlarmJson,
  type AlarmsAnswer,
  alarmsQuerySchema,
  alarmsSchema,
} from '../../../shared/api/alarms.js';
import { AfterimageError } from '../../../shared/errors.js';
import { accessOf, requireEverySet, requireSet } from '../../access/access.js';
import { noteAudit } from '../../access/audit-note.js';
import type { Observe } from '../../observe/observe.js';
import { numberOf } from '../../observe/alarm-store.js';
import { checked } from '../requests.js';
import type { RouteContext } from '../route-context.js';

export function registerAlarms(app: FastifyInstance, { options }: RouteContext): void {
  const observe = (): Observe => {
    if (options.observe !== undefined) return options.observe;
    throw new AfterimageError('not-found', 'this replica raises no alarms');
  };

  app.get(
    '/v1/alarms',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Lists alarms, newest first',
          tag: 'alarms',
          query: alarmsQuerySchema,
          answer: alarmsSchema,
        },
      },
    },
    (request): AlarmsAnswer => {
      const { set, kind, state, before, limit } = checked(alarmsQuerySchema, request.query);
      if (set !== undefined) requireSet(request, set);
      const { sets, canSee } = accessOf(request);
      const { desk } = observe();
      const isSeen = (of: string | null): boolean => of === null || canSee(of);
      const listed = desk.list({
        set,
        kind,
        isOpen: state === 'open',
        before: before === undefined ? undefined : numberOf(before),
        sets,
        limit: limit + 1,
      });
      const alarms = listed.slice(0, limit);
      const waiting = [...desk.waiting()].reduce(
        (sum, [of, count]) => sum + (isSeen(of) ? count : 0),
        0,
      );
      const last = alarms.at(-1);
      return { alarms, waiting, next: listed.length > limit ? (last?.id ?? null) : null };
    },
  );

  app.post<{ Params: { readonly id: string } }>(
    '/v1/alarms/:id/acknowledge',
    {
      config: {
        role: 'operator',
        audit: 'alarm.acknowledge',
        describe: {
          summary: 'Says that somebody has seen an alarm; a mass change ends by it',
          tag: 'alarms',
          body: acknowledgeRequestSchema,
          answer: alarmSchema,
        },
      },
    },
    (request): AlarmJson => {
      const { desk } = observe();
      const { id } = request.params;
      const { set } = desk.get(id);
      if (set === null) requireEverySet(request);
      else requireSet(request, set);
      const wanted = checked(acknowledgeRequestSchema, request.body ?? {});
      noteAudit(request, { ...(set === null ? {} : { set }), detail: `${id} ${wanted.action}` });
      return desk.acknowledge(id, { ...wanted, by: accessOf(request).who });
    },
  );
}
