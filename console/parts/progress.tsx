/** How far something long is: a bar, or a moving one while nobody knows how much there is. */
import type { VNode } from 'preact';

export interface ProgressProps {
  readonly label: string;
  /** From 0 to 1; undefined while not known. */
  readonly share: number | undefined;
  readonly tone?: 'busy' | 'good' | 'bad' | 'calm';
}

export function Progress({ label, share, tone = 'busy' }: ProgressProps): VNode {
  const percent = share === undefined ? undefined : Math.floor(share * 100);
  return (
    <div
      class={`progress ${tone} ${percent === undefined ? 'unknown' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(percent === undefined ? {} : { 'aria-valuenow': percent })}
    >
      <span style={{ width: `${percent ?? 30}%` }} />
    </div>
  );
}
