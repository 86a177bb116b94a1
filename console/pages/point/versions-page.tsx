/** Versions. */
import type { VNode } from 'preact';
import type { PageProps } from '../../shell/page-entry.js';

export function VersionsPage({ params }: PageProps): VNode {
  return <h1>{params['set']}</h1>;
}
