/** What is mounted where, as /proc/self/mountinfo tells it. Paths are one character a byte. */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';

export interface Mount {
  readonly id: number;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** The folder of the file system that is mounted; `/` for all of it. */
  readonly root: string;
  readonly point: string;
  /** As `ext4` or `overlay`. */
  readonly type: string;
  /** Of this mount, then of the file system. */
  readonly options: readonly string[];
}

export function readMountTable(): Mount[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'latin1'));
}

/** Lines that do not read as proc(5) has them are left out. */
export function parseMountTable(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [id, , device, root, point, own] = before.split(' ');
    const [type, , shared] = after.split(' ');
    if (device === undefined || root === undefined || point === undefined) return [];
    if (type === undefined || type === '') return [];
    const options = [...(own ?? '').split(','), ...(shared ?? '').split(',')];
    return [
      {
        id: Number(id),
        device,
        root: unescapeOctal(root),
        point: unescapeOctal(point),
        type,
        options: options.filter((option) => option !== ''),
      },
    ];
  });
}

/** The mount that an open file was opened through; undefined when the kernel does not say. */
export function mountOf(fd: number, table: readonly Mount[]): Mount | undefined {
  const told = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
  const id = Number(told);
  return table.find((mount) => mount.id === id);
}

/** Opens the top of a mount; undefined when its path leads elsewhere, as below another mount. */
export function openTop(mount: Mount, table: readonly Mount[]): number | undefined {
  let fd: number;
  try {
    const point = Buffer.from(mount.point, 'latin1');
    fd = openSync(point, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    // one that cannot be opened does not serve
    return undefined;
  }
  if (mountOf(fd, table)?.id === mount.id) return fd;
  closeSync(fd);
  return undefined;
}

function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 8)),
  );
}
