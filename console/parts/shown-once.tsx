/** A secret or a command to take along: selectable as one piece, with a button that copies it. */
import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { texts } from '../texts.js';
import { Button } from './button.js';

export interface CopyTextProps {
  readonly label: string;
  readonly text: string;
  /** `block` keeps lines as they are. */
  readonly shape?: 'line' | 'block';
}

export function CopyText({ label, text, shape = 'line' }: CopyTextProps): VNode {
  const element = useRef<HTMLPreElement>(null);
  const [said, setSaid] = useState('');
  const copy = (): void => {
    const { copied, copyFailed } = texts.acting;
    writeText(text).then(
      () => {
        setSaid(copied);
      },
      () => {
        if (element.current !== null) window.getSelection()?.selectAllChildren(element.current);
        setSaid(copyFailed);
      },
    );
  };
  return (
    <div class={`copy-text ${shape}`}>
      <pre ref={element} tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <Button onClick={copy} label={`${texts.acting.copy}: ${label}`}>
        {texts.acting.copy}
      </Button>
      <span class="small" role="status">
        {said}
      </span>
    </div>
  );
}

/** Browsers hand out the clipboard on loopback and over TLS only. */
function writeText(text: string): Promise<void> {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  return clipboard === undefined
    ? Promise.reject(new Error('there is no clipboard'))
    : clipboard.writeText(text);
}

/** Gives the browser a text to save as a file. */
export function saveText(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 1000);
}
