/** What was selected, over folders, and what can be done with it. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { apiUrl } from '../../api/client.js';
import { saveAnswer } from '../../api/save-answer.js';
import { Button, LinkButton } from '../../parts/button.js';
import { Icon } from '../../parts/icon.js';
import { restoreLink } from '../../shell/links.js';
import { notifyFailure } from '../../shell/notices.js';
import { at } from '../../shell/router.js';
import { texts } from '../../texts.js';

export interface SelectionBarProps {
  readonly set: string;
  readonly point: string;
  readonly paths: readonly string[];
  readonly onClear: () => void;
}

const words = texts.point.selection;
/** Paths of a download are in its address, which has a bound. */
const DOWNLOAD_BYTES_MAX = 12_000;

export function SelectionBar({ set, point, paths, onClear }: SelectionBarProps): VNode {
  const [saving, setSaving] = useState<'tar' | 'zip'>();
  const urlOf = (format: 'tar' | 'zip'): string =>
    apiUrl(at`/v1/sets/${set}/points/${point}/download`, { path: paths, format });
  const tooMany = urlOf('tar').length > DOWNLOAD_BYTES_MAX;
  const save = (format: 'tar' | 'zip'): void => {
    setSaving(format);
    saveAnswer(urlOf(format), `${set}-${point}.${format}`)
      .catch(notifyFailure)
      .finally(() => {
        setSaving(undefined);
      });
  };
  const number = Number(point);
  return (
    <section class="selection-bar" aria-label={words.count(paths.length)}>
      <b role="status">{words.count(paths.length)}</b>
      <span class="row">
        {number > 0 && (
          <LinkButton kind="primary" href={restoreLink(set, number, paths)}>
            <Icon name="restore" />
            {words.restore}
          </LinkButton>
        )}
        {(['tar', 'zip'] as const).map((format) => (
          <Button
            key={format}
            disabled={tooMany}
            busy={saving === format}
            onClick={() => {
              save(format);
            }}
          >
            <Icon name="download" />
            {words[format]}
          </Button>
        ))}
        <Button kind="quiet" onClick={onClear}>
          {words.clear}
        </Button>
      </span>
      {tooMany && <p class="muted small">{words.tooMany(DOWNLOAD_PATHS)}</p>}
    </section>
  );
}

/** About how many paths fit. */
const DOWNLOAD_PATHS = 200;
