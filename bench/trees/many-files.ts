/** A tree of many small files, in folders of a hundred. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER_FILES = 100;
const GROUP_FOLDERS = 100;

export interface ManyFiles {
  readonly folder: string;
  readonly files: number;
  /** Below the folder. */
  readonly pathOf: (file: number) => string;
}

/** Files of 1 to 100 bytes, no two alike. */
export function writeManyFiles(options: { folder: string; files: number }): ManyFiles {
  const { folder, files } = options;
  const folderOf = (file: number): string => {
    const at = Math.floor(file / FOLDER_FILES);
    return join(`g${Math.floor(at / GROUP_FOLDERS)}`, `d${at % GROUP_FOLDERS}`);
  };
  for (let file = 0; file < files; file += 1) {
    const below = join(folder, folderOf(file));
    if (file % FOLDER_FILES === 0) mkdirSync(below, { recursive: true });
    writeFileSync(join(below, `f${file}`), `${file} `.repeat(1 + (file % 12)));
  }
  return { folder, files, pathOf: (file) => join(folderOf(file), `f${file}`) };
}
