/** Agents: who is in, letting one in, shutting one out. */
import type { FastifyInstance } from 'fastify';
import {
  agentRequestSchema,
  type AgentRevokedAnswer,
  agentRevokedSchema,
  type AgentsAnswer,
  agentsSchema,
  type EnrolmentAnswer,
  enrolmentAnswerSchema,
} from '../../../shared/api/access.js';
import { AfterimageError } from '../../../shared/errors.js';
import { accessOf } from '../../access/access.js';
import type { AgentDesk } from '../../access/agent-desk.js';
import { noteAudit } from '../../access/audit-note.js';
import { checked } from '../requests.js';
import type { RouteContext } from '../route-context.js';

const tag = 'agents';

export function registerAgents(app: FastifyInstance, context: RouteContext): void {
  const desk = (): AgentDesk => {
    const { agents } = context.options;
    if (agents !== undefined) return agents;
    throw new AfterimageError('not-found', 'this replica lets no agents in');
  };

  app.get(
    '/v1/agents',
    {
      config: {
        role: 'viewer',
        describe: { summary: 'Agents that own sets the caller may see', tag, answer: agentsSchema },
      },
    },
    (request): AgentsAnswer => {
      const { sets, canSee } = accessOf(request);
      const agents = desk()
        .list()
        .map((agent) => ({ ...agent, sets: agent.sets.filter(canSee) }));
      return { agents: agents.filter((agent) => sets === null || agent.sets.length > 0) };
    },
  );

  app.post(
    '/v1/agents',
    {
      config: {
        role: 'admin',
        audit: 'agent.enroll',
        describe: {
          summary: 'Lets an agent in: what its machine needs is told once',
          tag,
          body: agentRequestSchema,
          answer: enrolmentAnswerSchema,
        },
      },
    },
    async (request): Promise<EnrolmentAnswer> => {
      const wanted = checked(agentRequestSchema, request.body);
      noteAudit(request, { detail: wanted.name });
      return await desk().enroll(wanted);
    },
  );

  app.post<{ Params: { readonly name: string } }>(
    '/v1/agents/:name/revoke',
    {
      config: {
        role: 'admin',
        audit: 'agent.revoke',
        describe: {
          summary: 'Shuts an agent out; its sets and points stay',
          tag,
          answer: agentRevokedSchema,
        },
      },
    },
    (request): AgentRevokedAnswer => {
      const { name } = request.params;
      noteAudit(request, { detail: name });
      return desk().revoke(name);
    },
  );
}
