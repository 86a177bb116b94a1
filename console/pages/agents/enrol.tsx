/**
 * Lets a new agent in. The enrolment is told once: it stays on the screen until somebody says that
 * they have it, with the commands to run where the application is.
 */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { EnrolmentAnswer } from '../../../shared/api/access.js';
import { postJson } from '../../api/client.js';
import { ActButton } from '../../parts/act-button.js';
import { Button } from '../../parts/button.js';
import { SelectField, TextField } from '../../parts/field.js';
import { formatTime } from '../../parts/format.js';
import { CopyText, saveText } from '../../parts/shown-once.js';
import { texts } from '../../texts.js';

const DAY_MS = 86_400_000;
const days = ['1', '7', '30'] as const;

export function Enrol({ onMade }: { readonly onMade: () => void }): VNode {
  const [name, setName] = useState('');
  const [valid, setValid] = useState<(typeof days)[number]>('7');
  const [made, setMade] = useState<EnrolmentAnswer>();
  const bad = name !== '' && !/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name);
  const make = async (): Promise<void> => {
    const body = { name, validMs: Number(valid) * DAY_MS };
    setMade(await postJson<EnrolmentAnswer>('/v1/agents', body));
    setName('');
    onMade();
  };
  return (
    <section class="card stack" aria-labelledby="enrol">
      <h2 id="enrol">{texts.agents.enrol}</h2>
      <p class="muted">{texts.agents.enrolIntro}</p>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
        }}
      >
        <TextField
          label={texts.agents.newName}
          hint={texts.agents.newNameHint}
          error={bad ? texts.agents.badName : undefined}
          value={name}
          onValue={setName}
        />
        <SelectField
          label={texts.agents.valid}
          value={valid}
          options={days.map((one) => ({ value: one, label: texts.agents.days(Number(one)) }))}
          onValue={setValid}
        />
        <ActButton role="admin" type="submit" disabled={name === '' || bad} onAct={make}>
          {texts.agents.make}
        </ActButton>
      </form>
      {made !== undefined && (
        <Made
          made={made}
          onDone={() => {
            setMade(undefined);
          }}
        />
      )}
    </section>
  );
}

interface MadeProps {
  readonly made: EnrolmentAnswer;
  readonly onDone: () => void;
}

function Made({ made, onDone }: MadeProps): VNode {
  const { agent, enrolment, expiresMs, notes } = made;
  const file = `${agent}.enrolment.json`;
  return (
    <div class="shown-once stack" role="region" aria-label={texts.agents.text}>
      <p>
        <strong>{texts.agents.once}</strong> {texts.agents.until(formatTime(expiresMs))}
      </p>
      <CopyText label={texts.agents.text} text={enrolment} />
      <div class="row">
        <Button
          onClick={() => {
            saveText(file, enrolment);
          }}
        >
          {texts.agents.download}
        </Button>
      </div>
      <h3>{texts.agents.commands}</h3>
      <p class="muted">{texts.agents.commandsIntro(file)}</p>
      <CopyText label={texts.agents.commands} text={commandsOf(file)} shape="block" />
      {notes.map((note) => (
        <p key={note} class="warning">
          {note}
        </p>
      ))}
      <div class="row">
        <Button kind="primary" onClick={onDone}>
          {texts.agents.done}
        </Button>
      </div>
    </div>
  );
}

/** What docs/guide/first-sync.md has somebody do on the application's machine. */
function commandsOf(file: string): string {
  return `cat > agent.yaml <<'END'
data_folder: /var/lib/afterimage-agent
enrolment: ${file}
sets:
  - name: shop
    roots: [/srv/shop]
END
chmod 600 ${file}
afterimage agent --config agent.yaml`;
}
