/** The last look: from where to where, what is lost. What takes something away wants the set's name. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { ActButton } from '../../parts/act-button.js';
import { TextField } from '../../parts/field.js';
import { formatTime } from '../../parts/format.js';
import { texts } from '../../texts.js';
import { isDestructive, isOld, type Planned } from './planned.js';
import { contentText } from './planned-view.js';
import { canUndo, type RestoreDraft } from './restore-draft.js';

export interface ConfirmStepProps {
  readonly draft: RestoreDraft;
  readonly planned: Planned;
  /** Of the point, where it is known. */
  readonly timeMs: number | undefined;
  readonly onConfirm: () => void;
}

export function ConfirmStep({ draft, planned, timeMs, onConfirm }: ConfirmStepProps): VNode {
  const [typed, setTyped] = useState('');
  const destructive = isDestructive(planned);
  const ready = !destructive || typed.trim() === draft.set;
  const { counts } = planned;
  return (
    <>
      <h2>{texts.restore.confirmTitle}</h2>
      <dl class="facts">
        <dt>{texts.restore.confirmFrom}</dt>
        <dd>
          {draft.set}, {texts.words.point(draft.point ?? 0)}
          {timeMs !== undefined && ` · ${formatTime(timeMs)}`}
        </dd>
        <dt>{texts.restore.confirmWhat}</dt>
        <dd>
          {draft.everything ? (
            texts.restore.everything
          ) : (
            <span>
              {texts.restore.pathsCount(draft.paths.length)}: <code>{draft.paths[0]}</code>
              {draft.paths.length > 1 && ' …'}
            </span>
          )}
          {`, ${contentText(planned)}`}
        </dd>
        <dt>{texts.restore.confirmTo}</dt>
        <dd>{placeText(draft)}</dd>
        <dt>{texts.restore.confirmLooked}</dt>
        <dd>
          {formatTime(planned.lookedMs)}
          {isOld(planned, Date.now()) && <p class="warning">{texts.restore.confirmOld}</p>}
        </dd>
        <dt>{texts.restore.confirmHow}</dt>
        <dd>
          <p>
            {texts.restore.conflict}: {texts.restore.conflicts[draft.conflict]}.
          </p>
          <p>
            {texts.restore.orphans}: {texts.restore.orphanWords[draft.orphans]}.
          </p>
        </dd>
      </dl>
      {destructive && (
        <p class="warning">
          <strong>{texts.restore.confirmDestructive}</strong>{' '}
          {texts.restore.willLose(counts.overwritten, counts.deleted)}.
        </p>
      )}
      {canUndo(draft) && (
        <p>{draft.undoPoint ? texts.restore.confirmUndo : texts.restore.confirmNoUndo}</p>
      )}
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
        }}
      >
        {destructive && (
          <TextField label={texts.acting.typeName(draft.set)} value={typed} onValue={setTyped} />
        )}
        <div class="row">
          <ActButton
            role="operator"
            type="submit"
            kind={destructive ? 'danger' : 'primary'}
            disabled={!ready}
            onAct={onConfirm}
          >
            {texts.restore.startRestore}
          </ActButton>
        </div>
      </form>
    </>
  );
}

export function placeText(draft: RestoreDraft): string {
  const { ways, places } = texts.restore;
  if (draft.way === 'replica') return `${ways.replica}: ${draft.folder}`;
  if (draft.way === 'download') return ways.download;
  return draft.place === 'in-place'
    ? `${ways.agent}: ${places['in-place']}`
    : `${ways.agent}: ${places.beside}: ${draft.beside}`;
}
