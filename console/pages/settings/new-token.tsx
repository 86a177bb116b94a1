/** Makes a token: name, role, sets, end. The token itself stays on the screen until it was taken. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { NewTokenAnswer, Role } from '../../../shared/api/access.js';
import { postJson } from '../../api/client.js';
import { ActButton } from '../../parts/act-button.js';
import { Button } from '../../parts/button.js';
import { CheckField, ChoiceField, SelectField, TextField } from '../../parts/field.js';
import { useStatus } from '../../parts/set-select.js';
import { CopyText } from '../../parts/shown-once.js';
import { texts } from '../../texts.js';

const DAY_MS = 86_400_000;
const roles: readonly Role[] = ['viewer', 'operator', 'admin'];
const ends = ['1', '30', '90', '365', ''] as const;

export function NewToken({ onMade }: { readonly onMade: () => void }): VNode {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [sets, setSets] = useState<readonly string[] | null>(null);
  const [end, setEnd] = useState<(typeof ends)[number]>('90');
  const [made, setMade] = useState<NewTokenAnswer>();
  const scope = role === 'admin' ? null : sets;
  const make = async (): Promise<void> => {
    const validMs = end === '' ? null : Number(end) * DAY_MS;
    const body = { name: name.trim(), role, sets: scope, validMs };
    setMade(await postJson<NewTokenAnswer>('/v1/tokens', body));
    setName('');
    onMade();
  };
  if (made !== undefined) {
    return (
      <div class="shown-once stack" role="region" aria-label={made.name}>
        <p>
          <strong>{made.name}</strong>: {texts.settings.once}
        </p>
        <CopyText label={texts.settings.token} text={made.token} />
        <div class="row">
          <Button
            kind="primary"
            onClick={() => {
              setMade(undefined);
            }}
          >
            {texts.settings.done}
          </Button>
        </div>
      </div>
    );
  }
  return (
    <form
      class="stack new-token"
      aria-label={texts.settings.make}
      onSubmit={(event) => {
        event.preventDefault();
      }}
    >
      <TextField
        label={texts.settings.name}
        hint={texts.settings.nameHint}
        value={name}
        onValue={setName}
      />
      <ChoiceField
        label={texts.settings.role}
        value={role}
        options={roles.map((value) => ({ value, label: texts.settings.roles[value] }))}
        onValue={setRole}
      />
      <Scope role={role} sets={sets} onSets={setSets} />
      <SelectField
        label={texts.settings.expiry}
        value={end}
        options={ends.map((value) => ({
          value,
          label: value === '' ? texts.settings.forever : texts.agents.days(Number(value)),
        }))}
        onValue={setEnd}
      />
      <div class="row">
        <ActButton
          role="admin"
          type="submit"
          disabled={name.trim() === '' || scope?.length === 0}
          onAct={make}
        >
          {texts.settings.make}
        </ActButton>
      </div>
    </form>
  );
}

interface ScopeProps {
  readonly role: Role;
  readonly sets: readonly string[] | null;
  readonly onSets: (sets: readonly string[] | null) => void;
}

function Scope({ role, sets, onSets }: ScopeProps): VNode {
  const status = useStatus();
  const known = status.state === 'ready' ? status.value.sets.map(({ set }) => set) : [];
  if (role === 'admin') return <p class="muted">{texts.settings.scopeAdmin}</p>;
  return (
    <>
      <ChoiceField
        label={texts.settings.scope}
        value={sets === null ? 'all' : 'some'}
        options={[
          { value: 'all', label: texts.settings.scopeAll },
          { value: 'some', label: texts.settings.scopeSome },
        ]}
        onValue={(choice) => {
          onSets(choice === 'all' ? null : []);
        }}
      />
      {sets !== null && (
        <div class="row scope-sets">
          {known.map((set) => (
            <CheckField
              key={set}
              label={set}
              checked={sets.includes(set)}
              onChecked={(checked) => {
                onSets(checked ? [...sets, set] : sets.filter((other) => other !== set));
              }}
            />
          ))}
          {sets.length === 0 && <p class="muted small">{texts.settings.scopeNone}</p>}
        </div>
      )}
    </>
  );
}
