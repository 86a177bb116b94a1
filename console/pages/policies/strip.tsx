/**
 * Points over time as one strip: above the line what stays, below it what goes. Heights are by the
 * square root, so that a stretch with one point is seen beside one with a thousand.
 */
import type { VNode } from 'preact';
import type { SimulateAnswer } from '../../../shared/api/retention.js';
import { formatDay } from '../../parts/format.js';
import { texts } from '../../texts.js';

const WIDTH = 1000;
const MIDDLE = 60;
const GAP = 1;

export function Strip({ simulated }: { readonly simulated: SimulateAnswer }): VNode | null {
  const { buckets, keep, go } = simulated;
  const first = buckets[0];
  const last = buckets.at(-1);
  if (first === undefined || last === undefined) return null;
  const spanMs = Math.max(1, last.toMs - first.fromMs);
  const highest = buckets.reduce((most, bucket) => Math.max(most, bucket.keep, bucket.go), 1);
  const height = (count: number): number =>
    count === 0 ? 0 : 6 + Math.sqrt(count / highest) * (MIDDLE - 8);
  return (
    <figure class="strip">
      <svg
        viewBox={`0 0 ${WIDTH} ${MIDDLE * 2}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={texts.policies.strip(keep, go)}
      >
        {buckets.map((bucket) => {
          const x = ((bucket.fromMs - first.fromMs) / spanMs) * WIDTH;
          const width = Math.max(2, ((bucket.toMs - bucket.fromMs) / spanMs) * WIDTH - GAP);
          const up = height(bucket.keep);
          return (
            <g key={bucket.fromMs}>
              <rect class="stays" x={x} y={MIDDLE - up} width={width} height={up} />
              <rect class="goes" x={x} y={MIDDLE} width={width} height={height(bucket.go)} />
            </g>
          );
        })}
        <path class="middle" d={`M0 ${MIDDLE}H${WIDTH}`} />
      </svg>
      <figcaption>
        <span>{formatDay(first.fromMs)}</span>
        <span class="legend">
          <span class="swatch stays" aria-hidden="true" /> {texts.policies.stripKept}
          <span class="swatch goes" aria-hidden="true" /> {texts.policies.stripRemoved}
        </span>
        <span>{formatDay(last.toMs)}</span>
      </figcaption>
    </figure>
  );
}
