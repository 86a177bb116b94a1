/** A look into a file: text up to a bound, and more when asked for; pictures up to a bound. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { PathedNode } from '../../../shared/api/tree.js';
import { getResponse } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { Button } from '../../parts/button.js';
import { formatBytes } from '../../parts/format.js';
import { Answered, Empty } from '../../parts/states.js';
import { nameOf } from '../../shell/links.js';
import { at } from '../../shell/router.js';
import { texts } from '../../texts.js';

export interface PreviewProps {
  readonly set: string;
  readonly point: number;
  readonly entry: PathedNode;
}

const words = texts.point.preview;
const TEXT_BYTES = 256 * 1024;
const TEXT_BYTES_MAX = 4 * 1024 * 1024;
const IMAGE_BYTES_MAX = 24 * 1024 * 1024;

type Look =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly blob: Blob }
  | { readonly kind: 'large-image' };

export function Preview({ set, point, entry }: PreviewProps): VNode {
  const { path, kind, size } = entry;
  if (kind !== 'file') return <Empty title={words.none} />;
  if (size === 0) return <Empty title={words.empty} />;
  return <Looking key={`${point}:${path}`} set={set} point={point} entry={entry} />;
}

function Looking({ set, point, entry }: PreviewProps): VNode {
  const { path, size } = entry;
  const [bytes, setBytes] = useState(TEXT_BYTES);
  const look = useAnswer(
    (signal) => lookInto({ set, point, path, size, bytes, signal }),
    [set, point, path, bytes],
  );
  if (look.state === 'failed' && look.failure.code === 'preview-refused') {
    return <Empty title={words.refused} hint={look.failure.message} />;
  }
  return (
    <Answered answer={look}>
      {(found) => {
        if (found.kind === 'large-image') {
          return <Empty title={words.imageTooLarge(formatBytes(size))} />;
        }
        if (found.kind === 'image') return <Picture blob={found.blob} name={nameOf(path)} />;
        return (
          <>
            <TextLines text={found.text} />
            {bytes < size && (
              <p class="row muted small">
                {words.truncated(formatBytes(bytes), formatBytes(size))}
                {bytes < TEXT_BYTES_MAX && (
                  <Button
                    onClick={() => {
                      setBytes(Math.min(TEXT_BYTES_MAX, bytes * 4));
                    }}
                  >
                    {words.more}
                  </Button>
                )}
              </p>
            )}
          </>
        );
      }}
    </Answered>
  );
}

async function lookInto({
  set,
  point,
  path,
  size,
  bytes,
  signal,
}: {
  readonly set: string;
  readonly point: number;
  readonly path: string;
  readonly size: number;
  readonly bytes: number;
  readonly signal: AbortSignal;
}): Promise<Look> {
  const url = at`/v1/sets/${set}/points/${point}/download`;
  const query = { path, inline: 'preview' };
  const headers = bytes < size ? { range: `bytes=0-${bytes - 1}` } : {};
  const response = await getResponse(url, { query, headers, signal });
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('image/')) {
    return { kind: 'text', text: await response.text() };
  }
  if (bytes >= size) return { kind: 'image', blob: await response.blob() };
  if (size > IMAGE_BYTES_MAX) return { kind: 'large-image' };
  const whole = await getResponse(url, { query, signal });
  return { kind: 'image', blob: await whole.blob() };
}

function Picture({ blob, name }: { readonly blob: Blob; readonly name: string }): VNode {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => {
      URL.revokeObjectURL(made);
    };
  }, [blob]);
  return (
    <div class="picture">{url !== undefined && <img src={url} alt={words.image(name)} />}</div>
  );
}

function TextLines({ text }: { readonly text: string }): VNode {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    <div class="text-frame" role="region" aria-label={words.lines} tabIndex={0}>
      <pre class="line-numbers" aria-hidden="true">
        {lines.map((_, index) => index + 1).join('\n')}
      </pre>
      <pre class="text-lines">{lines.join('\n')}</pre>
    </div>
  );
}
