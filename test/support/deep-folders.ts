/** Folders deeper than one path can say: made step by step through open descriptors. */
import fs from 'node:fs';

const NAME_BYTES = 200;

/** A chain of folders below `root`, of at least `bytes` bytes of path, with the file `bottom` at its end. */
export function nestDeep(root: string, bytes: number): void {
  let fd = openFolder(root);
  for (let length = 0, n = 0; length < bytes; length += NAME_BYTES + 1, n += 1) {
    const below = `/proc/self/fd/${fd}/${String(n).padEnd(NAME_BYTES, 'd')}`;
    fs.mkdirSync(below);
    const next = openFolder(below);
    fs.closeSync(fd);
    fd = next;
  }
  fs.writeFileSync(`/proc/self/fd/${fd}/bottom`, 'the bottom');
  fs.closeSync(fd);
}

/** Folders down the only way there is, and what the file at its end says. */
export function bottomOf(root: string): { readonly folders: number; readonly says: string } {
  let fd = openFolder(root);
  for (let folders = 0; ; folders += 1) {
    const [name] = fs.readdirSync(`/proc/self/fd/${fd}`);
    if (name === undefined) throw new Error(`folder ${folders} is empty`);
    const next = fs.openSync(`/proc/self/fd/${fd}/${name}`, fs.constants.O_RDONLY);
    fs.closeSync(fd);
    fd = next;
    if (fs.fstatSync(fd).isDirectory()) continue;
    const says = fs.readFileSync(fd, 'utf8');
    fs.closeSync(fd);
    return { folders, says };
  }
}

function openFolder(path: string): number {
  return fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
}
