/**
 * A file that takes its name when it is whole: whoever reads the name sees what was there or what the
 * point has, and a run that dies leaves nothing that a later one could take for somebody else's work.
 * It costs room for both, so only policies that keep what is there are carried out this way.
 */
import { fdatasyncSync, linkSync, renameSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../errors.js';
import { blockCount } from '../limits.js';
import type { ContentFrame } from '../api/content.js';
import { FileWriter } from './file-writer.js';
import { below } from './folder-cursor.js';
import { statusIfThere } from './local-folder.js';
import { type MetadataSetter, setMetadata } from './metadata.js';
import type { NodeVersion } from './node-version.js';
import { renameAside } from './set-aside.js';

/** What a file is called while a run of this label writes it. */
export function partName(label: string): Buffer {
  return Buffer.from(`.afterimage-part-${label}`);
}

export interface WholeFile {
  readonly folder: number;
  readonly name: Buffer;
  readonly version: NodeVersion;
  readonly label: string;
  /** What becomes of a file that has the name by then. */
  readonly over: 'nothing' | 'replace' | 'rename';
  /** Puts a frame's bytes in their place. */
  readonly take: (writer: FileWriter, frame: ContentFrame) => void;
}

/** `spared`: somebody made the file meanwhile, and it stays. Throws system errors. */
export async function writeWhole(
  setter: MetadataSetter,
  file: WholeFile,
  frames: AsyncIterable<ContentFrame>,
): Promise<'written' | 'spared'> {
  const { folder, version, label } = file;
  const part = below(folder, partName(label));
  if (statusIfThere(setter.posix, part) !== undefined) unlinkSync(part);
  const writer = new FileWriter({ path: part, size: version.size, state: 'new' });
  try {
    if (version.size > 0) for await (const frame of frames) file.take(writer, frame);
    writer.checkWhole(blockCount(version.size));
    writer.setSize();
    setMetadata(setter, part, version, { node: 'new', fd: writer.fd });
    // a name that a power cut leaves to an empty file would look like somebody's own
    fdatasyncSync(writer.fd);
    return place(setter, file, part);
  } catch (error) {
    unlinkIfThere(part);
    throw error;
  } finally {
    writer.close();
  }
}

function place(setter: MetadataSetter, file: WholeFile, part: Buffer): 'written' | 'spared' {
  const { folder, name, label, over } = file;
  const path = below(folder, name);
  if (over === 'replace') {
    renameSync(part, path);
    return 'written';
  }
  if (over === 'rename' && statusIfThere(setter.posix, path) !== undefined) {
    renameAside(setter.posix, folder, name, label);
  }
  try {
    linkSync(part, path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    unlinkSync(part);
    return 'spared';
  }
  unlinkSync(part);
  return 'written';
}

function unlinkIfThere(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
