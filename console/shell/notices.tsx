/** Short messages about what was done, at the edge of the screen; read out, gone after a while. */
import { signal } from '@preact/signals';
import type { VNode } from 'preact';
import { asFailure, isAbort } from '../api/failure.js';
import { Button } from '../parts/button.js';
import { Icon } from '../parts/icon.js';
import { texts } from '../texts.js';

export interface Notice {
  readonly kind: 'done' | 'failed';
  readonly text: string;
  readonly hint?: string | undefined;
}

interface Shown extends Notice {
  readonly number: number;
}

const SHOWN_MS = 8000;
const SHOWN_MAX = 4;
const shown = signal<readonly Shown[]>([]);
let lastNumber = 0;

/** Failures stay until they are closed. */
export function notify(notice: Notice): void {
  const number = (lastNumber += 1);
  shown.value = [...shown.peek().slice(1 - SHOWN_MAX), { ...notice, number }];
  if (notice.kind !== 'failed') {
    setTimeout(() => {
      drop(number);
    }, SHOWN_MS);
  }
}

/** For the end of a promise of an action: what failed is shown, what was left is not. */
export function notifyFailure(error: unknown): void {
  if (isAbort(error)) return;
  const { message, hint } = asFailure(error);
  notify({ kind: 'failed', text: message, hint });
}

function drop(number: number): void {
  shown.value = shown.peek().filter((one) => one.number !== number);
}

export function Notices(): VNode {
  return (
    <div class="notices" role="status" aria-live="polite">
      {shown.value.map(({ number, kind, text, hint }) => (
        <div key={number} class={`notice ${kind}`}>
          <Icon name={kind === 'done' ? 'ok' : 'alarm'} />
          <div>
            <p>{text}</p>
            {hint !== undefined && hint !== '' && <p class="muted">{hint}</p>}
          </div>
          <Button
            kind="quiet"
            label={texts.shell.dismiss}
            onClick={() => {
              drop(number);
            }}
          >
            <Icon name="close" />
          </Button>
        </div>
      ))}
    </div>
  );
}
