/** What the restore wizard asks for while somebody still chooses (pure). */
import { describe, expect, test } from 'vitest';
import { isOld } from '../../console/pages/restore/planned.js';
import {
  beginDraft,
  folderOffered,
  toRequest,
  withPoint,
} from '../../console/pages/restore/restore-draft.js';

const roots = ['/srv/restored/', '/srv/other'];

describe('restore draft', () => {
  test('folder: the one that is offered is named for the point, and goes with it when another is chosen', () => {
    const begun = { ...beginDraft({ set: 'shop', point: 41 }) };
    const draft = { ...begun, folder: folderOffered(roots, begun) };
    expect(draft.folder).toBe('/srv/restored/shop-41');
    expect(withPoint(draft, { point: 40, roots }).folder).toBe('/srv/restored/shop-40');
    expect(withPoint(draft, { point: 40, roots }).point).toBe(40);
  });

  test('folder: one that somebody gave stays when another point is chosen', () => {
    const draft = { ...beginDraft({ set: 'shop', point: 41 }), folder: '/srv/restored/mine' };
    const next = withPoint(draft, { point: 40, roots });
    expect(next.folder).toBe('/srv/restored/mine');
    expect(toRequest({ ...next, point: 40 }, 'write')).toMatchObject({
      point: '40',
      target: { folder: '/srv/restored/mine' },
      dryRun: false,
    });
  });

  test('dry run: after ten minutes it is called old', () => {
    const planned = { lookedMs: 0, bytes: 0, entries: [], leftOut: 0, notes: [] };
    const counts = { deleted: 0, overwritten: 0, aside: 0, attributes: 0 };
    const whole = {
      ...planned,
      counts: { ...counts, new: 0, spared: 0, kept: 0 },
      troubles: [],
      troubleCount: 0,
    };
    expect(isOld(whole, 9 * 60_000)).toBe(false);
    expect(isOld(whole, 11 * 60_000)).toBe(true);
  });
});
