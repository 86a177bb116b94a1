/** One entry of a point: its facts, a look into it, its versions, and what changed between two. */
import type { ComponentChildren, VNode } from 'preact';
import type { PathedNode, StatAnswer } from '../../../shared/api/tree.js';
import { apiUrl, getJson } from '../../api/client.js';
import { saveAnswer } from '../../api/save-answer.js';
import { useAnswer } from '../../api/use-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { LinkButton } from '../../parts/button.js';
import { formatBytes, formatCount, formatMode, formatTimeNs } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { CopyText } from '../../parts/shown-once.js';
import { Answered, Empty } from '../../parts/states.js';
import { Tabs } from '../../parts/tabs.js';
import { type EntryTab, nameOf, pointLink, restoreLink } from '../../shell/links.js';
import { at, go, hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { CompareTab } from './compare-tab.js';
import { iconOf } from './entry-row.js';
import { Preview } from './preview.js';
import { VersionsView } from './versions-view.js';

export interface EntryPanelProps {
  readonly set: string;
  readonly point: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

const words = texts.point.entry;
const tabs: readonly EntryTab[] = ['facts', 'preview', 'versions', 'compare'];

export function EntryPanel({ set, point, path, query }: EntryPanelProps): VNode {
  const stat = useAnswer(
    (signal) =>
      getJson<StatAnswer>(at`/v1/sets/${set}/points/${point}/stat`, { query: { path }, signal }),
    [set, point, path],
  );
  const tab = tabs.find((one) => one === query.get('tab')) ?? 'facts';
  const entry = stat.state === 'ready' ? stat.value.entry : undefined;
  const number = stat.state === 'ready' ? stat.value.point : Number(point);
  const gone = stat.state === 'failed' && stat.failure.code === 'not-found';
  return (
    <section class="card entry-panel" aria-label={nameOf(path)}>
      <header class="entry-panel-head">
        <h2>
          <Icon name={iconOf(entry?.kind ?? 'file')} />
          <span>{nameOf(path)}</span>
        </h2>
        <LinkButton kind="quiet" href={hrefHere({ at: undefined, tab: undefined })}>
          <Icon name="close" />
          <span class="unseen">{words.close}</span>
        </LinkButton>
      </header>
      {entry !== undefined && <EntryActs set={set} point={number} entry={entry} />}
      <Tabs
        label={words.tabsLabel}
        tabs={tabs.map((name) => ({ name, label: words.tabs[name] }))}
        chosen={tab}
        onChoose={(name) => {
          go(hrefHere({ tab: name, against: undefined }), 'replace');
        }}
      >
        {tab === 'versions' ? (
          <VersionsView set={set} path={path} here={number} />
        ) : tab === 'compare' ? (
          <CompareTab set={set} path={path} point={number} query={query} />
        ) : gone ? (
          <Empty title={words.gone} hint={words.goneHint} />
        ) : (
          <Answered answer={stat}>
            {(answer) =>
              tab === 'facts' ? (
                <EntryFacts set={set} point={number} entry={answer.entry} />
              ) : (
                <Preview set={set} point={number} entry={answer.entry} />
              )
            }
          </Answered>
        )}
      </Tabs>
    </section>
  );
}

interface EntryProps {
  readonly set: string;
  readonly point: number;
  readonly entry: PathedNode;
}

function EntryActs({ set, point, entry }: EntryProps): VNode {
  const { path, kind } = entry;
  const url = apiUrl(at`/v1/sets/${set}/points/${point}/download`, { path });
  return (
    <div class="row">
      {kind === 'folder' ? (
        <LinkButton kind="primary" href={pointLink(set, point, { path })}>
          <Icon name="folder" />
          {words.open}
        </LinkButton>
      ) : (
        <ActButton role="viewer" onAct={() => saveAnswer(url, nameOf(path))}>
          <Icon name="download" />
          {words.download}
        </ActButton>
      )}
      <LinkButton href={restoreLink(set, point, [path])}>
        <Icon name="restore" />
        {words.restore}
      </LinkButton>
    </div>
  );
}

function EntryFacts({ set, point, entry }: EntryProps): VNode {
  const { path, kind, size, mtimeNs, mode, uid, gid, target, rdev, xattrs, born, node } = entry;
  return (
    <>
      <dl class="facts">
        <Fact name={words.path}>
          <span class="mono">{path}</span>
        </Fact>
        <Fact name={words.kind}>{texts.words.kind[kind]}</Fact>
        {kind === 'file' && (
          <Fact name={words.size}>
            {formatBytes(size)} <span class="muted">({words.exact(formatCount(size))})</span>
          </Fact>
        )}
        {target !== undefined && (
          <Fact name={words.target}>
            <span class="mono">{target}</span>
          </Fact>
        )}
        {rdev !== undefined && <Fact name={words.device}>{rdev}</Fact>}
        <Fact name={words.modified}>{formatTimeNs(mtimeNs)}</Fact>
        <Fact name={words.mode}>
          <span class="mono">{formatMode(kind, mode)}</span>{' '}
          <span class="muted">{mode.toString(8).padStart(4, '0')}</span>
        </Fact>
        <Fact name={words.owner}>{words.owners(uid, gid)}</Fact>
        <Fact name={words.since}>
          <a href={pointLink(set, born, { at: path })}>{texts.words.point(born)}</a>
        </Fact>
        <Fact name={words.node}>{node}</Fact>
        {xattrs !== undefined && xattrs.length > 0 && (
          <Fact name={words.xattrs}>
            <ul class="mono small">
              {xattrs.map(({ name }) => (
                <li key={name}>{name}</li>
              ))}
            </ul>
          </Fact>
        )}
      </dl>
      {kind === 'file' && (
        <div class="entry-command">
          <h3>{words.cat}</h3>
          <CopyText label={words.cat} text={`afterimage cat ${set}@${point} ${quoted(path)}`} />
        </div>
      )}
    </>
  );
}

function Fact({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** For a shell: in quotes where it has to be. */
function quoted(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
