/**
 * What dropped syncs left behind. Their blocks stay as answers to `has` and sources of `copy`
 * until the next commit, so that a first copy that was cut off goes on instead of starting over
 * (R12). At most three are kept: each holds what the one before it had, and more.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { IndexDb } from '../index/index-db.js';
import { type IntentFolders, intentFile, openIntent } from './intent-db.js';
import type { IntentStore } from './known-blocks.js';

const KEPT_MAX = 3;

interface Leftover extends IntentStore {
  readonly folder: string;
  readonly intent: IndexDb;
}

export class Leftovers {
  readonly #folders: IntentFolders;
  readonly #root: string;
  #kept: Leftover[] = [];

  constructor(folders: IntentFolders) {
    this.#folders = folders;
    this.#root = path.join(folders.set, 'leftover');
    fs.mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    for (const name of this.#names()) this.#adopt(path.join(this.#root, name));
  }

  #names(): string[] {
    return fs.readdirSync(this.#root).sort();
  }

  get stores(): readonly IntentStore[] {
    return this.#kept;
  }

  /** Takes over the closed intent and its new files; the intent's folders are empty afterwards. */
  keep(): void {
    // One that a full disk cut short is there without being kept.
    const number = Number(this.#names().at(-1) ?? 0) + 1;
    const folder = path.join(this.#root, String(number).padStart(8, '0'));
    fs.mkdirSync(folder, { mode: 0o700 });
    for (const part of ['intent', 'new'] as const) {
      if (fs.existsSync(this.#folders[part]))
        fs.renameSync(this.#folders[part], path.join(folder, part));
    }
    this.#adopt(folder);
    for (const old of this.#kept.splice(KEPT_MAX)) this.#remove(old);
  }

  /** Removes everything; call after a commit. */
  async clear(): Promise<void> {
    const kept = this.#kept;
    this.#kept = [];
    for (const leftover of kept) leftover.intent.close();
    for (const name of this.#names())
      await fs.promises.rm(path.join(this.#root, name), { recursive: true, force: true });
  }

  close(): void {
    for (const { intent } of this.#kept) intent.close();
    this.#kept = [];
  }

  #adopt(folder: string): void {
    const intentFolder = path.join(folder, 'intent');
    if (!fs.existsSync(intentFile(intentFolder))) {
      fs.rmSync(folder, { recursive: true, force: true });
      return;
    }
    const leftover = {
      folder,
      intentFolder,
      newFolder: path.join(folder, 'new'),
      intent: openIntent(intentFolder),
    };
    this.#kept.unshift(leftover);
  }

  #remove(leftover: Leftover): void {
    leftover.intent.close();
    fs.rmSync(leftover.folder, { recursive: true, force: true });
  }
}
