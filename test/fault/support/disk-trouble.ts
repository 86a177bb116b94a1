/** What lies below a folder, and what must never lie in a base. */
import fs from 'node:fs';
import path from 'node:path';

/** Names, kinds, times, modes and contents below a folder. */
export function described(folder: string): string {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const { mode, mtimeMs, size, ino } = fs.lstatSync(path.join(folder, name));
      const isFile = (mode & fs.constants.S_IFMT) === fs.constants.S_IFREG;
      const content = isFile ? fs.readFileSync(path.join(folder, name), 'latin1') : '';
      return [name, mode, mtimeMs, size, ino, content].join(' ');
    })
    .sort()
    .join('\n');
}

/** What a base never holds: FIFOs, sockets, devices, setuid bits (R23). */
export function strange(base: string): string[] {
  return strangeBelow(Buffer.from(base));
}

function strangeBelow(folder: Buffer): string[] {
  return fs.readdirSync(folder, { encoding: 'buffer' }).flatMap((name) => {
    const at = Buffer.concat([folder, Buffer.from('/'), name]);
    const status = fs.lstatSync(at);
    const text = at.toString('latin1');
    if (status.isSymbolicLink()) return [];
    if (!status.isFile() && !status.isDirectory()) return [`${text} is no file, folder or link`];
    const own = (status.mode & 0o7000) !== 0 ? [`${text} is setuid`] : [];
    return status.isDirectory() ? [...own, ...strangeBelow(at)] : own;
  });
}
