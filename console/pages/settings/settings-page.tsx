/** What the replica runs with, who may ask it, and how the console looks. */
import type { VNode } from 'preact';
import type { SettingsAnswer } from '../../../shared/api/access.js';
import { getJson } from '../../api/client.js';
import { may } from '../../api/session.js';
import { useAnswer } from '../../api/use-answer.js';
import { ChoiceField } from '../../parts/field.js';
import { formatBytes, formatCount, formatDuration, formatTime } from '../../parts/format.js';
import { Answered } from '../../parts/states.js';
import { Table } from '../../parts/table.js';
import { type Theme, theme } from '../../shell/theme.js';
import { texts } from '../../texts.js';
import { Tokens } from './tokens.js';

const themes: readonly Theme[] = ['system', 'light', 'dark'];

export function SettingsPage(): VNode {
  const answer = useAnswer(
    (signal) => getJson<SettingsAnswer>('/v1/settings', { signal }),
    ['settings'],
  );
  return (
    <div class="stack">
      <header class="page-head">
        <h1>{texts.settings.title}</h1>
      </header>
      {may('admin') && <Tokens />}
      <section class="card">
        <ChoiceField
          label={texts.settings.theme}
          value={theme.value}
          options={themes.map((value) => ({ value, label: texts.shell.theme[value] }))}
          onValue={(value) => {
            theme.value = value;
          }}
        />
      </section>
      <Answered answer={answer}>{(settings) => <InForce settings={settings} />}</Answered>
    </div>
  );
}

function InForce({ settings }: { readonly settings: SettingsAnswer }): VNode {
  const { version, node, host, startedMs, url, tls } = settings;
  const facts = [
    [texts.settings.version, version],
    [texts.settings.host, host],
    [texts.settings.url, url],
    [texts.settings.tls, tls ? texts.settings.yes : texts.settings.no],
    [texts.settings.node, node],
    [texts.settings.started, formatTime(startedMs)],
  ] as const;
  return (
    <section class="card stack" aria-labelledby="in-force">
      <h2 id="in-force">{texts.settings.inForce}</h2>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {settings.missing.length > 0 && (
        <div class="warning">
          <h3>{texts.settings.missing}</h3>
          <ul class="notes">
            {settings.missing.map((missing) => (
              <li key={missing}>{missing}</li>
            ))}
          </ul>
        </div>
      )}
      <p class="muted">{texts.settings.inForceIntro}</p>
      <Table
        caption={texts.settings.inForce}
        columns={[
          { key: 'key', title: texts.settings.key, cell: ({ key }) => <code>{key}</code> },
          {
            key: 'value',
            title: texts.settings.value,
            cell: (setting) => <span class="setting-value">{valueText(setting)}</span>,
          },
        ]}
        rows={settings.settings}
        rowKey={({ key }) => key}
        narrow="cards"
      />
      <h3>{texts.settings.paths}</h3>
      <dl class="facts">
        {settings.paths.map(({ what, path }) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>
              <code>{path}</code>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

type Setting = SettingsAnswer['settings'][number];

/** Amounts whose unit their name says are shown for reading, with the exact value beside. */
function valueText({ key, value }: Setting): string {
  if (value === null) return texts.acting.none;
  if (Array.isArray(value)) return value.length === 0 ? texts.acting.none : value.join(', ');
  if (typeof value !== 'number') return String(value);
  if (/_ms(?:_max|_min)?$/.test(key)) return `${formatDuration(value)} (${value} ms)`;
  if (/bytes/.test(key)) return `${formatBytes(value)} (${formatCount(value)} bytes)`;
  return String(value);
}
