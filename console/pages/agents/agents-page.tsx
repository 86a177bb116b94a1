/** Who sends: the agents, when they were heard, and the way in for a new one. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AgentJson, AgentRevokedAnswer, AgentsAnswer } from '../../../shared/api/access.js';
import { getJson, postJson } from '../../api/client.js';
import { useEvents } from '../../api/events.js';
import { useAnswer } from '../../api/use-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { ConfirmDialog } from '../../parts/confirm-dialog.js';
import { Ago, Mark, type Tone } from '../../parts/marks.js';
import { Answered, Empty } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { notify } from '../../shell/notices.js';
import { setLink } from '../../shell/links.js';

import { texts } from '../../texts.js';
import { Enrol } from './enrol.js';

const EVERY_MS = 15_000;

export function AgentsPage(): VNode {
  const answer = useAnswer(
    (signal) => getJson<AgentsAnswer>('/v1/agents', { signal }),
    ['agents'],
    { everyMs: EVERY_MS },
  );
  const [leaving, setLeaving] = useState<AgentJson>();
  useEvents((event) => {
    if (event.name === 'set') answer.reload();
  });
  return (
    <div class="stack">
      <header class="page-head">
        <h1>{texts.agents.title}</h1>
      </header>
      <Answered answer={answer}>
        {({ agents }) =>
          agents.length === 0 ? (
            <Empty title={texts.agents.empty} />
          ) : (
            <Table
              caption={texts.agents.title}
              columns={columnsOf(setLeaving)}
              rows={agents}
              rowKey={({ name }) => name}
              narrow="cards"
            />
          )
        }
      </Answered>
      <Enrol onMade={answer.reload} />
      {leaving !== undefined && (
        <ConfirmDialog
          title={texts.agents.revokeOne(leaving.name)}
          verb={texts.agents.revoke}
          name={leaving.name}
          onClose={() => {
            setLeaving(undefined);
          }}
          onConfirm={async () => {
            const path = `/v1/agents/${encodeURIComponent(leaving.name)}/revoke`;
            const { agent } = await postJson<AgentRevokedAnswer>(path, {});
            notify({ kind: 'done', text: texts.agents.revoked(agent) });
            answer.reload();
          }}
        >
          <p>{texts.agents.revokeSure(leaving.name)}</p>
        </ConfirmDialog>
      )}
    </div>
  );
}

function columnsOf(revoke: (agent: AgentJson) => void): Column<AgentJson>[] {
  const nowMs = Date.now();
  const time = (timeMs: number | null): VNode =>
    timeMs === null ? (
      <span class="muted">{texts.acting.never}</span>
    ) : (
      <Ago timeMs={timeMs} nowMs={nowMs} />
    );
  return [
    { key: 'name', title: texts.agents.name, cell: ({ name }) => <strong>{name}</strong> },
    { key: 'state', title: texts.agents.state, cell: (agent) => <AgentMark agent={agent} /> },
    { key: 'seen', title: texts.agents.seen, cell: ({ seenMs }) => time(seenMs) },
    { key: 'host', title: texts.agents.host, cell: ({ host }) => host ?? '' },
    {
      key: 'sets',
      title: texts.agents.sets,
      cell: ({ sets }) => (
        <span class="row">
          {sets.map((set) => (
            <a key={set} href={setLink(set)}>
              {set}
            </a>
          ))}
        </span>
      ),
    },
    {
      key: 'key',
      title: texts.agents.key,
      cell: ({ keyMs }) => (keyMs === null ? '' : <Ago timeMs={keyMs} nowMs={nowMs} />),
    },
    { key: 'enrolled', title: texts.agents.enrolled, cell: ({ enrolledMs }) => time(enrolledMs) },
    {
      key: 'actions',
      title: texts.agents.actions,
      cell: (agent) =>
        agent.state === 'revoked' ? null : (
          <ActButton
            role="admin"
            reason="title"
            label={texts.agents.revokeOne(agent.name)}
            onAct={() => {
              revoke(agent);
            }}
          >
            {texts.agents.revoke}
          </ActButton>
        ),
    },
  ];
}

function AgentMark({ agent }: { readonly agent: AgentJson }): VNode {
  const { state, connected } = agent;
  const [tone, text]: [Tone, string] =
    state === 'active'
      ? connected
        ? ['good', texts.agents.connected]
        : ['warn', texts.agents.away]
      : state === 'enrolled'
        ? ['calm', texts.agents.states.enrolled]
        : ['bad', texts.agents.states.revoked];
  return <Mark tone={tone}>{text}</Mark>;
}
