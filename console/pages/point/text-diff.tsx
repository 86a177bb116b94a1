/** What differs between a text file at two points, in one column: a mark, both line numbers, the line. */
import type { VNode } from 'preact';
import type { TextDiffAnswer, TextDiffLine, TextSide } from '../../../shared/api/text-diff.js';
import { getJson } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { formatBytes, formatCount } from '../../parts/format.js';
import { Answered, Empty } from '../../parts/states.js';
import { at } from '../../shell/router.js';
import { texts } from '../../texts.js';

export interface TextDiffProps {
  readonly set: string;
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

const words = texts.point.textDiff;

export function TextDiff({ set, path, from, to }: TextDiffProps): VNode {
  const answer = useAnswer(
    (signal) =>
      getJson<TextDiffAnswer>(at`/v1/sets/${set}/text-diff`, { query: { path, from, to }, signal }),
    [set, path, from, to],
  );
  return <Answered answer={answer}>{(diff) => <Result diff={diff} />}</Answered>;
}

function Result({ diff }: { readonly diff: TextDiffAnswer }): VNode {
  const { result, sameBytes, from, to } = diff;
  if (result === 'same') return <Empty title={sameBytes === false ? words.sameText : words.same} />;
  if (result === 'not-compared' || result === 'gave-up') {
    return (
      <Empty
        title={result === 'gave-up' ? words.gaveUp : words.notCompared}
        hint={
          <>
            {sideOf(from)} → {sideOf(to)}.{' '}
            {sameBytes === null ? '' : sameBytes ? words.bytesSame : words.bytesDiffer}
          </>
        }
      />
    );
  }
  return (
    <div class="text-diff">
      <p class="small">
        <b>{words.counts(formatCount(diff.added), formatCount(diff.removed))}</b>{' '}
        <span class="muted">
          {words.at(from.point)} → {words.at(to.point)}
        </span>
      </p>
      <div class="diff-frame" role="region" aria-label={words.label} tabIndex={0}>
        <table class="diff-table">
          <tbody>
            {diff.hunks.map((hunk) => (
              <>
                <tr class="hunk-head" key={`${hunk.fromLine}:${hunk.toLine}`}>
                  <td colSpan={4}>
                    @@ −{hunk.fromLine},{hunk.fromLines} +{hunk.toLine},{hunk.toLines} @@
                  </td>
                </tr>
                {hunk.lines.map((line, index) => (
                  <Line key={`${hunk.fromLine}:${hunk.toLine}:${index}`} line={line} />
                ))}
              </>
            ))}
          </tbody>
        </table>
      </div>
      {diff.truncated && <p class="muted small">{words.truncated}</p>}
    </div>
  );
}

const signs = { same: ' ', added: '+', removed: '−' } as const;

function Line({ line }: { readonly line: TextDiffLine }): VNode {
  return (
    <tr class={line.type}>
      <td class="diff-number">{line.from ?? ''}</td>
      <td class="diff-number">{line.to ?? ''}</td>
      <td class="diff-sign">
        <span aria-hidden="true">{signs[line.type]}</span>
        <span class="unseen">{words.marks[line.type]}</span>
      </td>
      <td class="diff-text">
        {line.text}
        {line.noNewline === true && <span class="muted"> ({words.noNewline})</span>}
      </td>
    </tr>
  );
}

function sideOf({ point, state, size }: TextSide): string {
  const bytes = state === 'absent' ? '' : `, ${formatBytes(size)}`;
  return `${words.at(point)}: ${words.sides[state]}${bytes}`;
}
