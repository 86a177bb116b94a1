/** Versions of one path over all points of a set, for who comes from search. */
import type { VNode } from 'preact';
import { folderOf, nameOf, setLink } from '../../shell/links.js';
import type { PageProps } from '../../shell/page-entry.js';
import { href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { VersionsView } from './versions-view.js';

export function VersionsPage({ params, query }: PageProps): VNode {
  const { set = '' } = params;
  const path = query.get('path') ?? '';
  return (
    <div class="stack">
      <header class="set-head">
        <nav class="crumbs" aria-label={texts.words.crumbs}>
          <a href={href('/')}>{texts.nav.sets}</a>
          <span aria-hidden="true">/</span>
          <a href={setLink(set)}>{set}</a>
        </nav>
        <h1 class="path-title">{nameOf(path)}</h1>
        <p class="muted mono small">{folderOf(path)}</p>
      </header>
      <div class="card">
        <VersionsView key={path} set={set} path={path} />
      </div>
    </div>
  );
}
