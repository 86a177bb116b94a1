/** Tokens: who and what may ask the API, as what, for which sets, and until when. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { TokenJson, TokensAnswer } from '../../../shared/api/access.js';
import { getJson, postJson } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { ConfirmDialog } from '../../parts/confirm-dialog.js';
import { CheckField } from '../../parts/field.js';
import { formatDay } from '../../parts/format.js';
import { Ago, Mark, type Tone } from '../../parts/marks.js';
import { Answered } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { texts } from '../../texts.js';
import { NewToken } from './new-token.js';

const TOKENS_MAX = 1000;

export function Tokens(): VNode {
  const answer = useAnswer(
    (signal) => getJson<TokensAnswer>('/v1/tokens', { query: { limit: TOKENS_MAX }, signal }),
    ['tokens'],
  );
  const [shown, setShown] = useState<'valid' | 'all'>('valid');
  const [leaving, setLeaving] = useState<TokenJson>();
  return (
    <section class="card stack" aria-labelledby="tokens">
      <h2 id="tokens">{texts.settings.tokens}</h2>
      <p class="muted">{texts.settings.tokensIntro}</p>
      <Answered answer={answer}>
        {({ tokens }) => {
          const rows = tokens.filter(({ state }) => shown === 'all' || state === 'valid');
          return rows.length === 0 ? (
            <p class="muted">{texts.settings.noTokens}</p>
          ) : (
            <Table
              caption={texts.settings.tokens}
              columns={columnsOf(setLeaving)}
              rows={rows}
              rowKey={({ id }) => id}
              narrow="cards"
            />
          );
        }}
      </Answered>
      <CheckField
        label={texts.settings.revokedShown}
        checked={shown === 'all'}
        onChecked={(checked) => {
          setShown(checked ? 'all' : 'valid');
        }}
      />
      <NewToken onMade={answer.reload} />
      {leaving !== undefined && (
        <ConfirmDialog
          title={texts.settings.revokeOne(leaving.name)}
          verb={texts.settings.revoke}
          onClose={() => {
            setLeaving(undefined);
          }}
          onConfirm={async () => {
            await postJson(`/v1/tokens/${encodeURIComponent(leaving.id)}/revoke`, {});
            answer.reload();
          }}
        >
          <p>{texts.settings.revokeSure(leaving.name)}</p>
        </ConfirmDialog>
      )}
    </section>
  );
}

const tones: Readonly<Record<TokenJson['state'], Tone>> = {
  valid: 'good',
  expired: 'calm',
  revoked: 'bad',
};

function columnsOf(revoke: (token: TokenJson) => void): Column<TokenJson>[] {
  const nowMs = Date.now();
  return [
    {
      key: 'name',
      title: texts.settings.name,
      cell: ({ name, id }) => (
        <span>
          <strong>{name}</strong> <span class="muted small">{id}</span>
        </span>
      ),
    },
    {
      key: 'role',
      title: texts.settings.role,
      cell: ({ role }) => texts.shell.role[role],
    },
    {
      key: 'sets',
      title: texts.settings.scope,
      cell: ({ sets }) => (sets === null ? texts.acting.all : sets.join(', ')),
    },
    {
      key: 'state',
      title: texts.settings.state,
      cell: ({ state }) => <Mark tone={tones[state]}>{texts.settings.states[state]}</Mark>,
    },
    {
      key: 'used',
      title: texts.settings.used,
      cell: ({ lastUsedMs }) =>
        lastUsedMs === null ? texts.acting.never : <Ago timeMs={lastUsedMs} nowMs={nowMs} />,
    },
    {
      key: 'expires',
      title: texts.settings.expires,
      cell: ({ expiresMs }) => (expiresMs === null ? texts.settings.forever : formatDay(expiresMs)),
    },
    {
      key: 'actions',
      title: texts.agents.actions,
      cell: (token) =>
        token.state === 'revoked' ? null : (
          <ActButton
            role="admin"
            reason="title"
            label={texts.settings.revokeOne(token.name)}
            onAct={() => {
              revoke(token);
            }}
          >
            {texts.settings.revoke}
          </ActButton>
        ),
    },
  ];
}
