/** Tells on every page that an alarm waits for somebody. Nothing while none does. */
import type { VNode } from 'preact';
import type { AlarmsAnswer } from '../../../shared/api/alarms.js';
import { getJson } from '../../api/client.js';
import { useEvents } from '../../api/events.js';
import { useAnswer } from '../../api/use-answer.js';
import { Button } from '../../parts/button.js';
import { Icon } from '../../parts/icon.js';
import { href } from '../../shell/router.js';
import { texts } from '../../texts.js';

const EVERY_MS = 60_000;
const LOOKED_AT = 50;

export function AlarmBanner(): VNode | null {
  const answer = useAnswer(
    (signal) => getJson<AlarmsAnswer>('/v1/alarms', { query: { limit: LOOKED_AT }, signal }),
    ['alarm-banner'],
    { everyMs: EVERY_MS },
  );
  useEvents((event) => {
    if (event.name === 'alarm') answer.reload();
  });
  if (answer.state === 'failed') {
    // Silence would say that all is well.
    if (answer.failure.status === 403 || answer.failure.status === 404) return null;
    return (
      <aside class="alarm-banner warning" aria-label={texts.alarms.title}>
        <Icon name="alarm" />
        <span>
          <strong>{texts.alarms.notKnown}</strong>
          <span class="alarm-banner-text"> {answer.failure.message}</span>
        </span>
        <Button onClick={answer.reload}>{texts.words.retry}</Button>
      </aside>
    );
  }
  if (answer.state !== 'ready' || answer.value.waiting === 0) return null;
  const { alarms, waiting } = answer.value;
  const waits = alarms.filter(({ acknowledged }) => acknowledged === null);
  const worst = waits.find(({ severity }) => severity === 'critical') ?? waits[0];
  return (
    <aside class={`alarm-banner ${worst?.severity ?? 'warning'}`} aria-label={texts.alarms.title}>
      <Icon name="alarm" />
      <span>
        <strong>
          {texts.alarms.banner(waiting)}
          {worst === undefined ? '.' : ':'}
        </strong>
        {worst !== undefined && <span class="alarm-banner-text"> {worst.text}</span>}
      </span>
      <a class="button" href={href('/alarms')}>
        {texts.alarms.look}
      </a>
    </aside>
  );
}
