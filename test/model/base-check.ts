/**
 * What must be true of a set's folder besides what points read back as: the base is a plain copy of the
 * newest point, and no file lies about that nothing names (R4).
 */
import { SET_NODE } from '../../shared/protocol/records.js';
import { Place } from '../../replica/index/schema.js';
import type { SetStore } from '../../replica/history/set-store.js';
import { realFs, realPosix } from './disk/real-fs.js';
import type { CopiedNode, FullCopy } from './full-copy.js';

/** What the base has or lacks against the newest point. */
export function baseDifferences(setFolder: string, expected: FullCopy): string[] {
  const out: string[] = [];
  const wanted = new Map([...expected].filter(([, { kind }]) => kind !== 'fifo'));
  for (const name of namesBelow(Buffer.from(`${setFolder}/base`)))
    if (!wanted.has(name)) out.push(`base: ${name} should not be`);
  const inodes = new Map<number, bigint>();
  for (const [name, want] of wanted) {
    const path = Buffer.concat([
      Buffer.from(`${setFolder}/base/`, 'latin1'),
      Buffer.from(name, 'latin1'),
    ]);
    const wrong = wrongWith(path, want, inodes);
    if (wrong !== undefined) out.push(`base: ${name} ${wrong}`);
  }
  return out;
}

function wrongWith(
  path: Buffer,
  want: CopiedNode,
  inodes: Map<number, bigint>,
): string | undefined {
  const status = realFs.lstatSync(path, { throwIfNoEntry: false, bigint: true });
  if (status === undefined) return 'is missing';
  const kind = status.isDirectory() ? 'folder' : status.isSymbolicLink() ? 'symlink' : 'file';
  if (kind !== want.kind) return `is a ${kind}, not a ${want.kind}`;
  if (kind === 'symlink') {
    const target = realFs.readlinkSync(path, { encoding: 'buffer' }).toString('latin1');
    if (target !== want.target) return `points to ${target}`;
  }
  if (kind === 'file') {
    if (!realFs.readFileSync(path).equals(want.content)) return 'has other content';
    const inode = inodes.get(want.node) ?? status.ino;
    if (inode !== status.ino) return `is no link to the other names of node ${want.node}`;
    inodes.set(want.node, inode);
  }
  const { mtimeNs } = realPosix.lstat(path);
  return mtimeNs === want.mtimeNs ? undefined : `has time ${mtimeNs}, not ${want.mtimeNs}`;
}

function namesBelow(folder: Buffer, prefix = ''): string[] {
  return realFs.readdirSync(folder, { encoding: 'buffer' }).flatMap((name) => {
    const path = Buffer.concat([folder, Buffer.from('/'), name]);
    const text = `${prefix}${name.toString('latin1')}`;
    return realFs.lstatSync(path).isDirectory() ? [text, ...namesBelow(path, `${text}/`)] : [text];
  });
}

/** What lies about in an idle set; blocks of dropped syncs may, until the next point (R12). */
export function leftovers(store: SetStore, mayBe: { readonly dropped: boolean }): string[] {
  const out: string[] = [];
  for (const part of ['intent', 'new', 'park', ...(mayBe.dropped ? [] : ['leftover'])]) {
    const folder = `${store.folder}/${part}`;
    if (!realFs.existsSync(folder)) continue;
    for (const name of realFs.readdirSync(folder)) out.push(`${part}/${name}`);
  }
  return [...out, ...atticDifferences(store), ...packLeftovers(store)];
}

/** Files of the attic against the bodies that are said to be there. */
function atticDifferences({ folder, index }: SetStore): string[] {
  const found = new Set(
    namesBelow(Buffer.from(`${folder}/attic`)).filter((name) => /\//.test(name)),
  );
  const named = index
    .all<{ id: number }>('SELECT id FROM body WHERE place = ?', Place.attic)
    .map(({ id }) => `${Math.floor(id / 1024)}/${id}`);
  const missing = named
    .filter((name) => !found.has(name))
    .map((name) => `attic/${name} is missing`);
  for (const name of named) found.delete(name);
  return [...missing, ...[...found].map((name) => `attic/${name}`)];
}

/** Bytes of packs past the last record that a transaction A has named. */
function packLeftovers({ folder, index }: SetStore): string[] {
  const row = index.get<{ value: string }>("SELECT value FROM meta WHERE key = 'pack_tail'");
  const tail = JSON.parse(row?.value ?? '{"newest":0,"end":0}') as { newest: number; end: number };
  return realFs.readdirSync(`${folder}/packs`).flatMap((name) => {
    const pack = Number.parseInt(name, 10);
    const { size } = realFs.statSync(`${folder}/packs/${name}`);
    const end = pack < tail.newest ? size : pack === tail.newest ? tail.end : 0;
    return size > end ? [`packs/${name} from ${end} to ${size}`] : [];
  });
}

/** Rows of the index that speak of nothing. */
export function indexDifferences({ index }: SetStore): string[] {
  const orphans = index.all<{ what: string; id: number }>(
    `SELECT 'entry' AS what, e.node AS id FROM entry e
       WHERE NOT EXISTS (SELECT 1 FROM node n WHERE n.id = e.node)
     UNION ALL SELECT 'entry in', e.parent FROM entry e
       WHERE e.parent <> ${SET_NODE} AND NOT EXISTS (SELECT 1 FROM node n WHERE n.id = e.parent)
     UNION ALL SELECT 'body', b.id FROM body b
       WHERE b.born > 0 AND NOT EXISTS (SELECT 1 FROM node n WHERE n.body = b.id)
     UNION ALL SELECT 'before of body', b.body FROM before b
       WHERE NOT EXISTS (SELECT 1 FROM body y WHERE y.id = b.body)
     UNION ALL SELECT 'digests of body', d.body FROM digests d
       WHERE NOT EXISTS (SELECT 1 FROM body y WHERE y.id = d.body)`,
  );
  return orphans.map(({ what, id }) => `index: ${what} ${id}`);
}
