/**
 * Says what one node is now: made, or known and changed. Node records carry everything but content
 * and names; content goes through `ContentPlanner`, names through `NamePlanner`.
 */
import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../../shared/errors.js';
import type { FileStatus } from '../../shared/posix/posix.js';
import { encodeXattrs } from '../../shared/protocol/records.js';
import { beginLook } from '../ranges/begin-look.js';
import type { NodeRow } from '../state/node-row.js';
import { encodeIdentity, encodeStatus } from '../state/status.js';
import { sameMoment } from './content-request.js';
import { ContentPlanner } from './file-content.js';
import { FileReading } from './file-reading.js';
import type { Found, Planned } from './found.js';
import { HeldFiles, type FileSource, type OpenFile } from './held-files.js';
import { HeldReads } from './held-reads.js';
import type { NamePlanner } from './name-planner.js';
import { saysTheSame, toNodeRecord } from './node-record.js';
import { isYoung, type PlanParts } from './plan-parts.js';

const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const lost: Planned = { node: undefined, settled: false };

export class NodePlanner {
  readonly #parts: PlanParts;
  readonly #content: ContentPlanner;
  /** Filled while held. */
  readonly heldReads: HeldReads;
  /** Files that were cloned while held, to be read when the application runs again. */
  readonly heldFiles: HeldFiles;

  constructor(parts: PlanParts, names: NamePlanner) {
    this.#parts = parts;
    this.#content = new ContentPlanner(parts);
    this.heldReads = new HeldReads(parts.posix);
    this.heldFiles = new HeldFiles(parts, names, (file, source) => this.#read(file, source));
  }

  /** A node that is new to the set. `replaced`: the file that had its name. */
  async make(found: Found, replaced: NodeRow | undefined): Promise<Planned> {
    const blank = this.#firstLook(found, undefined);
    if (blank === undefined) return lost;
    this.#parts.findings.changed(found.entry.status.ctimeNs);
    if (found.kind === 'file')
      return await this.#file(found, blank, { before: undefined, replaced });
    this.#parts.state.nodes.insert(blank);
    const wait = this.#parts.outlet.put(toNodeRecord(blank, 'none'));
    if (wait !== undefined) await wait;
    return { node: blank.id, settled: !blank.dirty };
  }

  /** A known node whose status moved, or that asks for another look. */
  async refresh(found: Found, before: NodeRow): Promise<Planned> {
    // Another name of a file that is read later.
    if (this.heldFiles.has(before.id)) return { node: before.id, settled: true };
    const after = this.#firstLook(found, before);
    if (after === undefined) return { node: before.id, settled: false };
    if (found.kind === 'file') {
      return await this.#file(found, after, { before, replaced: undefined });
    }
    this.#parts.state.nodes.update(after);
    if (before.identity === null || !saysTheSame(before, after)) {
      this.#parts.findings.changed(found.entry.status.ctimeNs);
      const wait = this.#parts.outlet.put(toNodeRecord(after, 'none'));
      if (wait !== undefined) await wait;
    }
    return { node: before.id, settled: !after.dirty };
  }

  /** The row as a scan shows it, content aside; undefined when it cannot be read. */
  #firstLook(found: Found, before: NodeRow | undefined): NodeRow | undefined {
    const { folder, entry, kind } = found;
    const { state, posix, clock } = this.#parts;
    const lookedMs = clock.now();
    try {
      const path = folder.child(entry.name);
      const xattrs = encodeXattrs(posix.getXattrs(path));
      const target = kind === 'symlink' ? readlinkSync(path, { encoding: 'buffer' }) : null;
      return {
        id: before?.id ?? state.takeNode(),
        kind,
        identity: encodeIdentity(entry.status, state.device(entry.status.dev)),
        status: encodeStatus(entry.status),
        size: kind === 'file' ? entry.status.size : 0,
        target,
        xattrs: xattrs.length === 0 ? null : xattrs,
        dirty: isYoung(entry.status.ctimeNs, lookedMs),
        fresh: before?.fresh ?? 0,
      };
    } catch (error) {
      this.#couldNot(error, found);
      return undefined;
    }
  }

  /** Something vanished, which the next look will see, or may not be read, which is said. */
  #couldNot(error: unknown, { folder, entry }: Found): void {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    this.#parts.findings.unsettled += 1;
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP' || errno === 'EINVAL')
      return;
    this.#parts.findings.unreadable(folder.pathOf(entry.name));
  }

  async #file(
    found: Found,
    row: NodeRow,
    old: { readonly before: NodeRow | undefined; readonly replaced: NodeRow | undefined },
  ): Promise<Planned> {
    const { folder, entry } = found;
    let fd: number;
    try {
      fd = openSync(folder.child(entry.name), fileFlags);
    } catch (error) {
      this.#couldNot(error, found);
      return { node: old.before?.id, settled: false };
    }
    let given = false;
    try {
      const status = this.#statusOf(fd, found);
      if (status === undefined) return { node: old.before?.id, settled: false };
      const reading = new FileReading(this.#parts, row, old.before);
      reading.look(status, sameMoment(status, entry.status));
      if (this.#parts.blocks.silent) {
        this.heldReads.add(folder.pathOf(entry.name), status);
      }
      const file: OpenFile = { found, fd, status, reading, ...old };
      given = await this.heldFiles.takes(file);
      if (!given) return await this.#read(file, { fd, status, holds: this.#parts.holds ?? 'live' });
      if (old.before === undefined) await reading.makeEmpty();
      return { node: row.id, settled: true };
    } finally {
      if (!given) closeSync(fd);
    }
  }

  /** Of the opened file; undefined when it is not the one that was found. */
  #statusOf(fd: number, found: Found): FileStatus | undefined {
    const { ino, dev } = found.entry.status;
    try {
      const status = this.#parts.posix.fstat(fd);
      if (status.ino === ino && status.dev === dev) return status;
      this.#parts.findings.unsettled += 1;
    } catch (error) {
      this.#couldNot(error, found);
    }
    return undefined;
  }

  /** Reads a file's content from where it is to be had. */
  async #read(file: OpenFile, source: FileSource): Promise<Planned> {
    const { reading, before, replaced } = file;
    const node = reading.row.id;
    const { suspects, pause } = this.#parts;
    const beganMs = this.#parts.clock.now();
    const look = await beginLook(this.#parts, { ...source, node, before });
    let result: 'said' | 'failed' = 'failed';
    try {
      const { fd, holds, ranges, status } = look;
      if (source.holds === 'live' && status !== source.status) {
        const unmoved = look.steady && sameMoment(status, file.found.entry.status);
        reading.look(status, unmoved, beganMs);
      }
      if (suspects?.has(reading.row) === true) await suspects.readThrough(reading.row, fd, pause);
      const outcome = await this.#content.plan({
        ...{ fd, holds, ranges, status, node, before, replaced },
        provisional: reading.provisional,
        announce: (said) => reading.announce(said),
      });
      const planned = await reading.finish(outcome);
      result = 'said';
      return planned;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      this.#couldNot(error, file.found);
      suspects?.add(reading.row);
      return await reading.giveUp(error);
    } finally {
      look.end(result);
    }
  }
}
