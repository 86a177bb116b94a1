/** The file at this point beside another version of it, line by line. */
import type { VNode } from 'preact';
import type { VersionsAnswer } from '../../../shared/api/versions.js';
import { getJson } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { SelectField } from '../../parts/field.js';
import { formatBytes, formatTime } from '../../parts/format.js';
import { Answered, Empty } from '../../parts/states.js';
import { at, go, hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { TextDiff } from './text-diff.js';

export interface CompareTabProps {
  readonly set: string;
  readonly path: string;
  readonly point: number;
  readonly query: URLSearchParams;
}

const words = texts.point.compareTab;

export function CompareTab({ set, path, point, query }: CompareTabProps): VNode {
  const versions = useAnswer(
    (signal) => getJson<VersionsAnswer>(at`/v1/sets/${set}/versions`, { query: { path }, signal }),
    [set, path],
  );
  return (
    <Answered answer={versions}>
      {({ stretches }) => {
        const others = stretches.flatMap((stretch) =>
          stretch.state === 'present' &&
          stretch.contentChanged &&
          !(stretch.firstPoint <= point && point <= stretch.lastPoint)
            ? [stretch]
            : [],
        );
        const asked = Number(query.get('against') ?? '');
        const before = others.findLast(({ lastPoint }) => lastPoint < point) ?? others[0];
        const against = asked > 0 ? asked : before?.lastPoint;
        if (against === undefined) return <Empty title={words.none} hint={words.noneHint} />;
        const options = others
          .map(({ firstPoint, lastPoint, firstMs, entry }) => ({
            value: String(lastPoint),
            label: words.option(
              texts.point.versions.points(firstPoint, lastPoint),
              formatTime(firstMs),
              formatBytes(entry.size),
            ),
          }))
          .reverse();
        const chosen = String(against);
        const known = options.some(({ value }) => value === chosen);
        return (
          <div class="stack">
            <SelectField
              label={words.with}
              value={chosen}
              options={
                known ? options : [{ value: chosen, label: texts.words.point(against) }, ...options]
              }
              onValue={(value) => {
                go(hrefHere({ against: value }), 'replace');
              }}
            />
            <TextDiff
              set={set}
              path={path}
              from={Math.min(against, point)}
              to={Math.max(against, point)}
            />
          </div>
        );
      }}
    </Answered>
  );
}
