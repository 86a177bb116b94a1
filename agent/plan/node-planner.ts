/**
 * Says what one node is now: made, or known and changed. Node records carry everything but content
 * and names; content goes through `ContentPlanner`, names through `NamePlanner`.
 */
import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../../shared/errors.js';
import type { FileStatus, ScanEntry } from '../../shared/posix/posix.js';
import { encodeXattrs, type NodeKind } from '../../shared/protocol/records.js';
import type { NodeRow } from '../state/node-table.js';
import { encodeIdentity, encodeStatus, provisionalKey } from '../state/status.js';
import { sameMoment, type Announcement, type ContentOutcome } from './content-request.js';
import { ContentPlanner } from './file-content.js';
import { saysTheSame, toNodeRecord } from './node-record.js';
import type { OpenFolder } from './open-folder.js';
import { isYoung, type PlanParts } from './plan-parts.js';

const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** What is asked of the folder an entry was found in. */
export type FolderAt = Pick<OpenFolder, 'node' | 'rootName' | 'child' | 'pathOf'>;

/** One entry of a scan, where it was found. */
export interface Found {
  readonly folder: FolderAt;
  readonly entry: ScanEntry;
  readonly kind: NodeKind;
}

export interface Planned {
  /** Undefined when there is no such node in the point: unreadable or vanished. */
  readonly node: number | undefined;
  /** False when it must be looked at again. */
  readonly settled: boolean;
}

const lost: Planned = { node: undefined, settled: false };

/** A file that was read while the application was held, to be checked before it is released. */
export interface HeldRead {
  readonly path: Buffer;
  readonly status: FileStatus;
}

export class NodePlanner {
  readonly #parts: PlanParts;
  readonly #content: ContentPlanner;
  /** Filled while held. */
  readonly heldReads: HeldRead[] = [];

  constructor(parts: PlanParts) {
    this.#parts = parts;
    this.#content = new ContentPlanner(parts);
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
    const reading = new FileReading(this.#parts, row, old.before);
    try {
      const status = this.#parts.posix.fstat(fd);
      if (status.ino !== entry.status.ino || status.dev !== entry.status.dev) {
        this.#parts.findings.unsettled += 1;
        return { node: old.before?.id, settled: false };
      }
      reading.look(status, sameMoment(status, entry.status));
      if (this.#parts.blocks.silent) {
        this.heldReads.push({ path: folder.pathOf(entry.name), status });
      }
      const outcome = await this.#content.plan({
        fd,
        status,
        node: row.id,
        ...old,
        provisional: provisionalKey(reading.row.identity ?? Buffer.alloc(0), reading.row.status),
        announce: (said) => reading.announce(said),
      });
      return await reading.finish(outcome);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      this.#couldNot(error, found);
      return await reading.giveUp(error);
    } finally {
      closeSync(fd);
    }
  }
}

/** The row of a file while its content is read. */
class FileReading {
  readonly #parts: PlanParts;
  readonly #before: NodeRow | undefined;
  row: NodeRow;
  /** It moved since it was scanned, or is too young to be told from its next change. */
  #uncertain = false;
  #ctimeNs = 0n;
  #announced: Announcement | undefined;

  constructor(parts: PlanParts, row: NodeRow, before: NodeRow | undefined) {
    this.#parts = parts;
    this.row = row;
    this.#before = before;
  }

  /** The status that the descriptor shows counts; attributes read before it may be older. */
  look(status: FileStatus, unmoved: boolean): void {
    this.#ctimeNs = status.ctimeNs;
    this.#uncertain = !unmoved || isYoung(status.ctimeNs, this.#parts.clock.now());
    this.row = { ...this.row, status: encodeStatus(status), size: status.size };
  }

  announce(said: Announcement): Promise<void> | undefined {
    if (this.#before !== undefined) this.#parts.findings.changed(this.#ctimeNs);
    const dirty = this.#uncertain || !said.steady;
    const row = { ...this.row, size: said.size, fresh: this.#freshOf(said.body), dirty };
    this.#write(row);
    this.#announced = said;
    return this.#parts.outlet.put(toNodeRecord(row, said.body));
  }

  async finish(outcome: ContentOutcome): Promise<Planned> {
    const { findings, outlet } = this.#parts;
    findings.bytesRead += outcome.bytesRead;
    const dirty = this.#uncertain || !outcome.steady;
    if (dirty) findings.unsettled += 1;
    const said = this.#announced;
    const fresh = outcome.changed ? this.#freshOf(outcome.body) : this.row.fresh;
    const row = { ...this.row, size: outcome.size, dirty, fresh };
    if (said === undefined || said.size !== row.size || dirty || !said.steady) this.#write(row);
    const toSay =
      said === undefined
        ? this.#before === undefined ||
          this.#before.identity === null ||
          !saysTheSame(this.#before, row)
        : said.size !== row.size;
    if (toSay) {
      if (said === undefined && this.#before !== undefined) findings.changed(this.#ctimeNs);
      const wait = outlet.put(toNodeRecord(row, outcome.body));
      if (wait !== undefined) await wait;
    }
    return { node: row.id, settled: !dirty };
  }

  /** Reading failed: nothing was said of a known file; a new one ends empty and nameless. */
  async giveUp(error: unknown): Promise<Planned> {
    if (this.#announced === undefined) return { node: this.#before?.id, settled: false };
    if (this.#before !== undefined) throw error;
    const { state, outlet } = this.#parts;
    state.digests.removeFrom(this.row.id, 0);
    state.nodes.delete(this.row.id);
    await this.#parts.blocks.drain();
    await outlet.put(toNodeRecord({ ...this.row, size: 0 }, 'new'));
    return lost;
  }

  #freshOf(body: 'keep' | 'new'): number {
    const sync = this.#parts.state.flight?.sync ?? 0;
    return body === 'new' ? sync : -sync;
  }

  #write(row: NodeRow): void {
    if (this.#before === undefined && this.#announced === undefined) {
      this.#parts.state.nodes.insert(row);
    } else {
      this.#parts.state.nodes.update(row);
    }
    this.row = row;
  }
}
