/** What was signed about a point. The text is shown as it is signed; a program verifies it. */
import type { VNode } from 'preact';
import type { PointCertificateAnswer } from '../../../shared/api/certificates.js';
import type { Answer } from '../../api/use-answer.js';
import { Button } from '../../parts/button.js';
import { Dialog } from '../../parts/dialog.js';
import { formatTime } from '../../parts/format.js';
import { saveText } from '../../parts/shown-once.js';
import { Answered, Empty } from '../../parts/states.js';
import { texts } from '../../texts.js';

export interface CertificateDialogProps {
  readonly set: string;
  readonly point: number;
  readonly certificate: Answer<PointCertificateAnswer>;
  readonly onClose: () => void;
}

/** What of an entry is read out; anything else is in its text. */
interface EntryText {
  readonly writtenMs?: number;
  readonly previous?: string;
  readonly key?: string;
  readonly facts?: { readonly digest?: string; readonly kind?: string };
}

export function CertificateDialog(props: CertificateDialogProps): VNode {
  const { set, point, certificate, onClose } = props;
  const words = texts.set.certificate;
  return (
    <Dialog
      title={words.title(point)}
      size="wide"
      onClose={onClose}
      actions={
        certificate.state === 'ready' ? (
          <Button
            onClick={() => {
              const text = JSON.stringify(certificate.value, undefined, 2);
              saveText(`${set}-${point}-certificate.json`, `${text}\n`);
            }}
          >
            {words.save}
          </Button>
        ) : undefined
      }
    >
      <p class="muted">{words.text}</p>
      <Answered answer={certificate}>
        {({ entries }) =>
          entries.length === 0 ? (
            <Empty title={words.unsigned} />
          ) : (
            entries.map((entry) => <SignedEntry key={entry.signature} text={entry.text} />)
          )
        }
      </Answered>
    </Dialog>
  );
}

function SignedEntry({ text }: { readonly text: string }): VNode {
  const words = texts.set.certificate;
  const { writtenMs, previous, key, facts } = JSON.parse(text) as EntryText;
  const rows: readonly [string, string | undefined][] = [
    [words.signed, writtenMs === undefined ? undefined : formatTime(writtenMs)],
    [words.digest, facts?.digest],
    [words.previous, previous],
    [words.key, key],
  ];
  return (
    <article class="signed-entry">
      <dl class="facts">
        {rows.map(([name, value]) =>
          value === undefined ? null : (
            <>
              <dt>{name}</dt>
              <dd class="mono small">{value}</dd>
            </>
          ),
        )}
      </dl>
      <details>
        <summary>{words.raw}</summary>
        <pre class="raw" tabIndex={0}>
          {JSON.stringify(JSON.parse(text), undefined, 2)}
        </pre>
      </details>
    </article>
  );
}
