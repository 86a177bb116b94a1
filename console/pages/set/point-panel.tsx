/** The facts of one point, and what can be done with it. */
import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { PointCertificateAnswer } from '../../../shared/api/certificates.js';
import type { PointDetail } from '../../../shared/api/points.js';
import type { RetentionAnswer } from '../../../shared/api/retention.js';
import { getJson } from '../../api/client.js';
import { type Answer, useAnswer } from '../../api/use-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { Button, LinkButton } from '../../parts/button.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumbered,
  formatTime,
} from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { ConsistencyMark } from '../../parts/marks.js';
import { Answered, Pending } from '../../parts/states.js';
import { compareLink, pointLink, restoreLink } from '../../shell/links.js';
import { at, hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { CertificateDialog } from './certificate-dialog.js';
import { HoldDialog, Holds } from './holds.js';
import { MountDialog } from './mount-dialog.js';

export interface PointPanelProps {
  readonly set: string;
  readonly detail: Answer<PointDetail>;
  /** Shown because it is the newest, not because it was picked. */
  readonly newest: boolean;
}

export function PointPanel({ set, detail, newest }: PointPanelProps): VNode {
  return (
    <section class="card point-panel" aria-label={texts.set.point.panel} aria-live="polite">
      <Answered answer={detail}>
        {(point) => <Point key={point.point} set={set} detail={point} newest={newest} />}
      </Answered>
    </section>
  );
}

type Open = 'none' | 'hold' | 'mount' | 'certificate';

interface PointProps {
  readonly set: string;
  readonly detail: PointDetail;
  readonly newest: boolean;
}

function Point({ set, detail, newest }: PointProps): VNode {
  const words = texts.set.point;
  const { point } = detail;
  const [open, setOpen] = useState<Open>('none');
  const retention = useAnswer(
    (signal) => getJson<RetentionAnswer>(at`/v1/sets/${set}/retention`, { signal }),
    [set],
  );
  const certificate = useAnswer(
    (signal) =>
      getJson<PointCertificateAnswer>(at`/v1/sets/${set}/points/${point}/certificate`, { signal }),
    [set, point],
  );
  const close = (): void => {
    setOpen('none');
  };
  return (
    <>
      <header class="point-head">
        <div>
          <h2>
            {texts.words.point(point)}
            {newest && <span class="muted point-newest">{words.newest}</span>}
          </h2>
          <p class="muted number">{formatTime(detail.timeMs)}</p>
        </div>
        <div class="row">
          <LinkButton kind="primary" href={pointLink(set, point)}>
            <Icon name="folder" />
            {words.browse}
          </LinkButton>
          <LinkButton href={restoreLink(set, point)}>
            <Icon name="restore" />
            {words.restore}
          </LinkButton>
          <ActButton
            role="operator"
            reason="title"
            onAct={() => {
              setOpen('hold');
            }}
          >
            <Icon name="hold" />
            {words.hold}
          </ActButton>
          <Button
            onClick={() => {
              setOpen('mount');
            }}
          >
            <Icon name="mount" />
            {words.mount}
          </Button>
          <Button
            onClick={() => {
              setOpen('certificate');
            }}
          >
            <Icon name="certificate" />
            {words.certificate}
          </Button>
          {point > 1 && (
            <LinkButton href={compareLink(set, { from: point - 1, to: point })}>
              <Icon name="compare" />
              {words.compare}
            </LinkButton>
          )}
          <LinkButton kind="quiet" href={hrefHere({ point: Math.max(1, point - 1) })}>
            <Icon name="left" />
            {words.previous}
          </LinkButton>
          {!newest && (
            <LinkButton kind="quiet" href={hrefHere({ point: point + 1 })}>
              {words.next}
              <Icon name="right" />
            </LinkButton>
          )}
        </div>
      </header>
      <PointFacts detail={detail} certificate={certificate}>
        <Holds set={set} point={point} retention={retention} />
      </PointFacts>
      {open === 'hold' && (
        <HoldDialog set={set} point={point} onClose={close} onDone={retention.reload} />
      )}
      {open === 'mount' && <MountDialog set={set} point={point} onClose={close} />}
      {open === 'certificate' && (
        <CertificateDialog set={set} point={point} certificate={certificate} onClose={close} />
      )}
    </>
  );
}

interface PointFactsProps {
  readonly detail: PointDetail;
  readonly certificate: Answer<PointCertificateAnswer>;
  /** Its holds. */
  readonly children: ComponentChildren;
}

function PointFacts({ detail, certificate, children }: PointFactsProps): VNode {
  const { point: words, certificate: signedWords, timeline } = texts.set;
  const { facts } = words;
  const operations: Readonly<Record<string, string>> = words.operations;
  const { consistency, heldMs, healed, outcome } = detail;
  const roots = Object.entries(outcome.source.roots).map(([name, path]) => `${name}: ${path}`);
  return (
    <div class="point-facts">
      <dl class="facts">
        <dt>{facts.consistency}</dt>
        <dd>
          <ConsistencyMark of={consistency} />
          <span class="muted small block">{texts.words.consistencyMeaning[consistency]}</span>
        </dd>
        <dt>{facts.held}</dt>
        <dd>{heldMs > 0 ? `${formatDuration(heldMs)} (${detail.recipe})` : words.notHeld}</dd>
        <dt>{facts.operation}</dt>
        <dd>{operations[detail.operation] ?? detail.operation}</dd>
      </dl>
      <dl class="facts">
        <dt>{facts.files}</dt>
        <dd class="number">
          {formatCount(detail.files)} · {formatBytes(detail.bytes)}
        </dd>
        <dt>{facts.changed}</dt>
        <dd class="number">
          {formatBytes(detail.changedBytes)} ·{' '}
          {formatNumbered(detail.changedNodes, ...timeline.nodes)}
        </dd>
        {healed !== null && (
          <>
            <dt>{facts.healed}</dt>
            <dd class="warn-text">{words.healed[healed]}</dd>
          </>
        )}
        {detail.unreadable > 0 && (
          <>
            <dt>{facts.unreadable}</dt>
            <dd class="warn-text">
              {words.unreadableFiles}
              <ul class="mono small">
                {outcome.unreadable.map((path) => (
                  <li key={path}>{path}</li>
                ))}
              </ul>
            </dd>
          </>
        )}
        <dt>{facts.source}</dt>
        <dd>
          {outcome.source.host} <span class="muted">{roots.join(', ')}</span>
        </dd>
      </dl>
      <dl class="facts">
        <dt>{facts.certificate}</dt>
        <dd>
          {certificate.state !== 'ready' ? (
            <Pending answer={certificate} />
          ) : certificate.value.entries.length > 0 ? (
            signedWords.entries(certificate.value.entries.length)
          ) : (
            signedWords.unsigned
          )}
        </dd>
        <dt>{facts.holds}</dt>
        <dd>{children}</dd>
      </dl>
    </div>
  );
}
