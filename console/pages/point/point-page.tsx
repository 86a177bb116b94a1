/** Point. */
import type { VNode } from 'preact';
import type { PageProps } from '../../shell/page-entry.js';

export function PointPage({ params }: PageProps): VNode {
  return <h1>{params['set']}</h1>;
}
